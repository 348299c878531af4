# nginx with static files.

version() {
    echo "$(nginx -v 2>&1 | sed 's|.*nginx/|nginx |;s| (.*||'), $(system_openssl)"
}

run() {
    cat >"$directory/nginx.conf" <<END_OF_FILE
daemon off; master_process off;
pid $directory/nginx.pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path $directory/nginx; proxy_temp_path $directory/nginx; fastcgi_temp_path $directory/nginx;
    uwsgi_temp_path $directory/nginx; scgi_temp_path $directory/nginx;
    server {
        listen 127.0.0.1:$port ssl;
        root $directory/www;
        # Its default, 75 s, is long to wait for.
        keepalive_timeout 3s;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $chain; ssl_certificate_key $key;
    }
}
END_OF_FILE
    exec nginx -p "$directory" -e stderr -c "$directory/nginx.conf"
}
