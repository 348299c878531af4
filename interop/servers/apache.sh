# Apache httpd with static files and the event MPM.

version() {
    echo "Apache httpd $(apache2 -v | sed -n 's|.*Apache/\([0-9.]*\).*|\1|p'), $(system_openssl)"
}

run() {
    # Its children run as another user, who has to get at the content.
    chmod a+x "$directory"
    local modules=/usr/lib/apache2/modules
    cat >"$directory/apache.conf" <<END_OF_FILE
ServerRoot $directory
ServerName server.test
Listen 127.0.0.1:$port
PidFile $directory/apache.pid
ErrorLog /dev/stderr
DefaultRuntimeDir $directory
User nobody
Group nogroup
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule dir_module $modules/mod_dir.so
LoadModule reqtimeout_module $modules/mod_reqtimeout.so
LoadModule ssl_module $modules/mod_ssl.so
DocumentRoot $directory/www
DirectoryIndex index.html
<VirtualHost *:$port>
    SSLEngine on
    SSLProtocol -all +TLSv1.2 +TLSv1.3
    SSLCertificateFile $chain
    SSLCertificateKeyFile $key
</VirtualHost>
END_OF_FILE
    rm -f "$directory/apache.pid"
    exec apache2 -D FOREGROUND -d "$directory" -f "$directory/apache.conf"
}
