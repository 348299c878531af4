# openssl s_server -WWW: files. It has none for "/".

version() {
    echo "openssl s_server -WWW, $(system_openssl)"
}

run() {
    cd "$directory/www"
    exec openssl s_server -accept "127.0.0.1:$port" -cert "$chain" -cert_chain "$chain" -key "$key" -WWW -quiet
}
