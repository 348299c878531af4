// One end of TLS connections on Go's crypto/tls. Options, steps and lines: README.md.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"syscall"
)

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

var verify = map[string]tls.ClientAuthType{
	"":        tls.NoClientCert,
	"none":    tls.NoClientCert,
	"request": tls.VerifyClientCertIfGiven,
	"require": tls.RequireAndVerifyClientCert,
}

func main() {
	server := os.Args[1] == "server"
	options, steps := map[string]string{"times": "1"}, []string(nil)
	for i, argument := range os.Args[2:] {
		if argument == "--" {
			steps = os.Args[3+i:]
			break
		}
		name, value, _ := strings.Cut(argument, "=")
		options[name] = value
	}
	config := makeConfig(options)
	var listener net.Listener
	if server {
		listener = must(net.Listen("tcp4", "127.0.0.1:0"))
		fmt.Println("ready", listener.Addr().(*net.TCPAddr).Port)
	}
	for rounds := must(strconv.Atoi(options["times"])); rounds > 0; rounds-- {
		var socket net.Conn
		var connection *tls.Conn
		if server {
			socket = must(listener.Accept())
			connection = tls.Server(socket, config)
		} else {
			socket = must(net.Dial("tcp4", "127.0.0.1:"+options["port"]))
			fmt.Println("connected")
			connection = tls.Client(socket, config)
		}
		for _, step := range steps {
			values := strings.Split(step, ":")
			if err := do(connection, socket.(*net.TCPConn), values); err != nil {
				fmt.Printf("error %s end=%s\n", values[0], endOf(err))
				os.Exit(1)
			}
		}
		socket.Close()
		fmt.Println("done")
	}
}

func makeConfig(options map[string]string) *tls.Config {
	config := &tls.Config{
		MinVersion:             versions[options["min"]],
		MaxVersion:             versions[options["max"]],
		ServerName:             "server.test",
		ClientSessionCache:     tls.NewLRUClientSessionCache(1),
		SessionTicketsDisabled: options["tickets"] == "off",
		ClientAuth:             verify[options["verify"]],
	}
	for _, suffix := range []string{"", "2"} {
		if file, given := options["cert"+suffix]; given {
			pair := must(tls.LoadX509KeyPair(file, options["key"+suffix]))
			config.Certificates = append(config.Certificates, pair)
		}
	}
	if file, given := options["ca"]; given {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(must(os.ReadFile(file)))
		config.RootCAs, config.ClientCAs = pool, pool
	}
	return config
}

func do(connection *tls.Conn, socket *net.TCPConn, step []string) error {
	switch step[0] {
	case "handshake":
		if err := connection.Handshake(); err != nil {
			return err
		}
		state, name := connection.ConnectionState(), "-"
		if len(state.PeerCertificates) > 0 {
			name = state.PeerCertificates[0].Subject.CommonName
		}
		fmt.Printf("handshake version=%#x cipher=%s group=- reused=%d peer=%s\n", state.Version,
			tls.CipherSuiteName(state.CipherSuite), map[bool]int{true: 1}[state.DidResume], name)
		return nil
	case "send":
		data := must(os.ReadFile(step[1]))
		_, err := connection.Write(data)
		if err == nil {
			fmt.Printf("sent bytes=%d\n", len(data))
		}
		return err
	case "recv":
		return receive(connection, must(strconv.ParseInt(step[1], 10, 64)))
	case "read":
		return receive(connection, -1)
	case "both":
		sent := make(chan error)
		go func() {
			_, err := connection.Write(must(os.ReadFile(step[1])))
			sent <- err
		}()
		if err := receive(connection, must(strconv.ParseInt(step[2], 10, 64))); err != nil {
			return err
		}
		return <-sent
	case "shutdown":
		if err := connection.CloseWrite(); err != nil {
			return err
		}
	case "fin":
		socket.CloseWrite()
	case "close":
		socket.Close()
	case "reset":
		socket.SetLinger(0)
		socket.Close()
	case "hold":
		fmt.Println("holding")
		io.Copy(io.Discard, os.Stdin)
		return nil
	default:
		return errors.New("no such step")
	}
	fmt.Println(step[0])
	return nil
}

// receive reads so many bytes, or to the end if wanted is negative.
func receive(connection *tls.Conn, wanted int64) error {
	digest, end := sha256.New(), "open"
	var received int64
	var err error
	if wanted >= 0 {
		received, err = io.CopyN(digest, connection, wanted)
		if err != nil {
			return err
		}
	} else {
		received, err = io.Copy(digest, connection)
		if err == nil {
			err = io.EOF
		}
		end = endOf(err)
	}
	fmt.Printf("received bytes=%d sha256=%x end=%s\n", received, digest.Sum(nil), end)
	return nil
}

func endOf(err error) string {
	var operation *net.OpError
	switch {
	case err == io.EOF:
		return "close_notify"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "eof"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.As(err, &operation) && operation.Op == "remote error":
		// The type of alerts is not exported; it is a byte.
		return fmt.Sprintf("alert:%d", reflect.ValueOf(operation.Err).Uint())
	}
	return "error:" + strings.ReplaceAll(err.Error(), " ", "_")
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Println("error setup", err)
		os.Exit(1)
	}
	return value
}
