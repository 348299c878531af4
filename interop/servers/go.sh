# Go's net/http with static files.

version() {
    go version | sed 's/go version go\([^ ]*\).*/Go net\/http and crypto\/tls \1/'
}

run() {
    go build -o "$directory/go_server" "$here/go_server.go"
    exec "$directory/go_server" "127.0.0.1:$port" "$chain" "$key" "$directory/www"
}
