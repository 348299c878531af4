# HAProxy, which ends TLS in front of an nginx that speaks plain HTTP on a local socket.

version() {
    echo "HAProxy $(haproxy -v | sed -n '1s/^HAProxy version \([0-9.]*\).*/\1/p'), $(system_openssl)"
}

run() {
    cat >"$directory/backend.conf" <<END_OF_FILE
daemon off; master_process off;
pid $directory/nginx.pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path $directory/nginx; proxy_temp_path $directory/nginx; fastcgi_temp_path $directory/nginx;
    uwsgi_temp_path $directory/nginx; scgi_temp_path $directory/nginx;
    server {
        listen unix:$directory/backend;
        root $directory/www;
    }
}
END_OF_FILE
    nginx -p "$directory" -e stderr -c "$directory/backend.conf" &
    # Certificate and key in one file.
    cat "$chain" "$key" >"$directory/haproxy.pem"
    cat >"$directory/haproxy.cfg" <<END_OF_FILE
defaults
    mode http
    # It has no defaults for these and warns if they are missing; the values are those of its manual's first example.
    timeout connect 5s
    timeout client 50s
    timeout server 50s
    # Without this one it is the client's.
    timeout http-keep-alive 3s
frontend tls
    bind 127.0.0.1:$port ssl crt $directory/haproxy.pem ssl-min-ver TLSv1.2
    default_backend plain
backend plain
    server nginx unix@$directory/backend
END_OF_FILE
    exec haproxy -db -q -f "$directory/haproxy.cfg"
}
