// Encrypted Client Hello (RFC 9849) by Go's crypto/tls, for tools/record_captures.py.
//
//	ech_lab config COVER                    makes a key; prints its ECHConfigList and the key, in hexadecimal
//	ech_lab serve ADDRESS CONFIG KEY        answers "hello" to each connection
//	ech_lab ask ADDRESS NAME [CONFIG]       asks for a name, encrypted where a config is given
package main

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"os"
	"time"
)

const (
	draft13        = 0xfe0d // ECHConfig.version, RFC 9849 section 4
	x25519         = 0x0020 // DHKEM(X25519, HKDF-SHA256), RFC 9180 section 7.1
	hkdfSHA256     = 0x0001
	aes128GCM      = 0x0001
	longestName    = 64
	configID       = 7
	withoutTheList = 2 // its length stands before a list
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func sized(bytes []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(bytes))), bytes...)
}

func config(cover string) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	check(err)
	contents := []byte{configID}
	contents = binary.BigEndian.AppendUint16(contents, x25519)
	contents = append(contents, sized(key.PublicKey().Bytes())...)
	suite := binary.BigEndian.AppendUint16(nil, hkdfSHA256)
	contents = append(contents, sized(binary.BigEndian.AppendUint16(suite, aes128GCM))...)
	contents = append(contents, longestName, byte(len(cover)))
	contents = append(contents, cover...)
	contents = append(contents, 0, 0) // no extensions
	one := append(binary.BigEndian.AppendUint16(nil, draft13), sized(contents)...)
	fmt.Println(hex.EncodeToString(sized(one)), hex.EncodeToString(key.Bytes()))
}

func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err)
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}
}

func serve(address, list, key string) {
	configs, err := hex.DecodeString(list)
	check(err)
	secret, err := hex.DecodeString(key)
	check(err)
	listener, err := tls.Listen("tcp", address, &tls.Config{
		Certificates:             []tls.Certificate{certificate()},
		EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{{Config: configs[withoutTheList:], PrivateKey: secret}},
	})
	check(err)
	for {
		connection, err := listener.Accept()
		check(err)
		go func() {
			defer connection.Close()
			io.ReadFull(connection, make([]byte, 5))
			fmt.Fprintln(connection, "hello")
		}()
	}
}

func ask(address, name, list string) {
	asked := &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	if list != "" {
		configs, err := hex.DecodeString(list)
		check(err)
		asked.EncryptedClientHelloConfigList = configs
	}
	connection, err := tls.Dial("tcp", address, asked)
	check(err)
	defer connection.Close()
	if connection.ConnectionState().ECHAccepted != (list != "") {
		check(fmt.Errorf("%s: the encrypted hello was not accepted", name))
	}
	fmt.Fprint(connection, "hello")
	_, err = io.ReadAll(connection)
	check(err)
}

func main() {
	words := append(os.Args[1:], "", "", "", "")
	switch words[0] {
	case "config":
		config(words[1])
	case "serve":
		serve(words[1], words[2], words[3])
	case "ask":
		ask(words[1], words[2], words[3])
	default:
		check(fmt.Errorf("ech_lab config COVER | serve ADDRESS CONFIG KEY | ask ADDRESS NAME [CONFIG]"))
	}
}
