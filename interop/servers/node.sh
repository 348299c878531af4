# Node's https module with static files.

version() {
    node -p '`Node https ${process.versions.node}, OpenSSL ${process.versions.openssl.replace(/\+.*/, "")}`'
}

run() {
    exec node "$here/node_server.js" "$port" "$chain" "$key" "$directory/www"
}
