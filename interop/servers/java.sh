# Java's HttpsServer (com.sun.net.httpserver) with static files.

version() {
    java -version 2>&1 | sed -n '1s/.*"\(.*\)".*/Java com.sun.net.httpserver.HttpsServer \1/p'
}

run() {
    # Java reads keys from PKCS #12.
    openssl pkcs12 -export -in "$chain" -inkey "$key" -out "$directory/java.p12" -passout pass:changeit
    # Idle connections end after 3 s, looked for every second; by default after 30 s, looked for every ten.
    exec java -Dsun.net.httpserver.idleInterval=3 -Dsun.net.httpserver.clockTick=1000 \
        -XX:TieredStopAtLevel=1 "$here/JavaServer.java" "$port" "$directory/java.p12" "$directory/www"
}
