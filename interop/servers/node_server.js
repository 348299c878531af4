// PORT CHAIN KEY DIRECTORY: two files over HTTPS, everything at its default.
'use strict';

const fs = require('fs');
const https = require('https');

const [port, chain, key, directory] = process.argv.slice(2);
const files = { '/': `${directory}/index.html`, '/large': `${directory}/large` };

const server = https.createServer({ cert: fs.readFileSync(chain), key: fs.readFileSync(key) }, (request, response) => {
    const file = files[request.url];
    if (!file) {
        response.writeHead(404);
        response.end();
        return;
    }
    response.writeHead(200, { 'Content-Length': fs.statSync(file).size });
    fs.createReadStream(file).pipe(response);
});
server.listen(port, '127.0.0.1');
