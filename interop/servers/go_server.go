// ADDRESS CHAIN KEY DIRECTORY: the files of a directory over HTTPS, everything at its default but HTTP/2, which the client does not ask
// for.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	handler := http.FileServer(http.Dir(os.Args[4]))
	log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[2], os.Args[3], handler))
}
