// ADDRESS CHAIN KEY DIRECTORY: the files of a directory over HTTPS.
package main

import (
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	server := http.Server{
		Addr:    os.Args[1],
		Handler: http.FileServer(http.Dir(os.Args[4])),
		// By default an idle connection stays for ever. Everything else is at its default.
		IdleTimeout: 3 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Args[2], os.Args[3]))
}
