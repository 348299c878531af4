# gnutls-serv --http: a page about the session, whatever is asked for. It listens on every address: it has no option for one.

version() {
    gnutls-serv --version | sed -n '1s/.* \([0-9.]*\)$/gnutls-serv --http, GnuTLS \1/p'
}

run() {
    exec gnutls-serv --http --quiet --port "$port" --x509certfile "$chain" --x509keyfile "$key"
}
