# openssl s_server -www: a page about the session, whatever is asked for.

version() {
    echo "openssl s_server -www, $(system_openssl)"
}

run() {
    exec openssl s_server -accept "127.0.0.1:$port" -cert "$chain" -cert_chain "$chain" -key "$key" -www -quiet
}
