// A subject on Go's crypto/tls: README.md.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"sync"
	"syscall"
)

const (
	piece   = 16 << 10
	sending = 4 << 20
	blocked = 64 << 20
	// What the conductor always sends last. The order to stop comes another way, and may overtake it.
	last = 5
)

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// What is known so far. It is given once.
var known struct {
	sync.Mutex
	more     *sync.Cond
	ready    bool
	received int
}

func main() {
	role, version, state, port, directory := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	if state == "key-update-asked" {
		fmt.Println("unsupported crypto/tls has no call that sends a KeyUpdate; it only answers them")
		return
	}
	known.more = sync.NewCond(&known)
	config := makeConfig(directory, versions[version])
	socket, err := net.Dial("tcp4", "127.0.0.1:"+port)
	check(err)
	var connection *tls.Conn
	if role == "server" {
		connection = tls.Server(socket, config)
	} else {
		connection = tls.Client(socket, config)
	}
	go waitForStop()
	check(connection.Handshake())
	if state == "handshake" {
		verdict("failed", "the handshake was completed")
	}
	if state != "tickets" {
		prelude(connection)
	}
	if state == "closed" {
		check(connection.CloseWrite())
	}
	known.Lock()
	known.ready = true
	known.Unlock()
	fmt.Println("ready")
	if amount := map[string]int{"sending": sending, "blocked": blocked}[state]; amount > 0 {
		go write(connection, amount)
	}
	err = read(connection)
	if wasReset(socket.(*net.TCPConn)) && !errors.Is(err, syscall.ECONNRESET) {
		verdict("reset", fmt.Sprintf("%v, but the socket has no peer any more", err))
	}
	check(err)
}

func makeConfig(directory string, version uint16) *tls.Config {
	authority, err := os.ReadFile(directory + "/ca.pem")
	check(err)
	pair, err := tls.LoadX509KeyPair(directory+"/chain.pem", directory+"/key.pem")
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return &tls.Config{
		MinVersion:   version,
		MaxVersion:   version,
		ServerName:   "server.test",
		RootCAs:      pool,
		Certificates: []tls.Certificate{pair},
		// A client's: the server's tickets are taken and kept.
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
}

func prelude(connection *tls.Conn) {
	_, err := connection.Write([]byte("ping"))
	check(err)
	answer := make([]byte, 4)
	_, err = io.ReadFull(connection, answer)
	check(err)
	if string(answer) != "pong" {
		verdict("failed", "no pong")
	}
}

func write(connection *tls.Conn, amount int) {
	for data := make([]byte, piece); amount > 0; amount -= piece {
		if _, err := connection.Write(data); err != nil {
			return
		}
	}
}

// The kernel tells a reset once. If that was to a write, or to the answer to a KeyUpdate, a read finds a mere end; but who was reset has
// no peer any more.
func wasReset(socket *net.TCPConn) bool {
	raw, err := socket.SyscallConn()
	check(err)
	var lost error
	check(raw.Control(func(fd uintptr) { _, lost = syscall.Getpeername(int(fd)) }))
	return lost == syscall.ENOTCONN
}

func read(connection *tls.Conn) error {
	buffer := make([]byte, piece)
	for {
		count, err := connection.Read(buffer)
		known.Lock()
		known.received += count
		known.Unlock()
		known.more.Signal()
		if err != nil {
			return err
		}
	}
}

// check gives the verdict if there is an error.
func check(err error) {
	if err != nil {
		verdict(endOf(err), err.Error())
	}
}

func endOf(err error) string {
	var operation *net.OpError
	switch {
	case err == io.EOF:
		return "closed"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "truncated-inside"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.As(err, &operation) && operation.Op == "remote error":
		// The type of alerts is not exported; it is a byte.
		return fmt.Sprintf("alert:%d", reflect.ValueOf(operation.Err).Uint())
	}
	return "failed"
}

func waitForStop() {
	// A line or the end, which say the same.
	bufio.NewReader(os.Stdin).ReadString('\n')
	known.Lock()
	for known.ready && known.received < last {
		known.more.Wait()
	}
	known.Unlock()
	verdict("open", "")
}

func verdict(word, detail string) {
	// Never unlocked: there is one verdict.
	known.Lock()
	fmt.Printf("verdict %s received=%d", word, known.received)
	if detail != "" {
		fmt.Printf(" detail=%s", detail)
	}
	fmt.Println()
	os.Exit(0)
}
