//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"nhooyr.io/websocket"
	"nhooyr.io/websocket/wsjson"
)

// startNginx starts nginx in front of the server, with the configuration of docs/operations.md. It
// returns the address of the endpoint for HTTP and WebSocket, and a transport that trusts its
// certificate.
func startNginx(t *testing.T, server *process) (host string, trusting *http.Transport) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		// Debian installs nginx here, outside most users' PATH.
		program, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("the configuration of docs/operations.md needs nginx")
	}
	require.NoError(t, err)
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	require.NoError(t, err)

	dir := t.TempDir()
	roots := writeCertificate(t, dir)
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	host = reserved.Addr().String()
	site := between(t, string(docs), "```nginx\n", "```\n")
	for documented, here := range map[string]string{
		"127.0.0.1:8080;":               strings.TrimPrefix(server.url, "http://") + ";",
		"listen 443 ssl;":               "listen " + host + " ssl;",
		"/etc/ssl/chat.example.com.pem": filepath.Join(dir, "certificate"),
		"/etc/ssl/chat.example.com.key": filepath.Join(dir, "key"),
	} {
		require.Equal(t, 1, strings.Count(site, documented), documented)
		site = strings.Replace(site, documented, here, 1)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(fmt.Sprintf(`
		daemon off; master_process off; pid %[1]s/pid; error_log stderr notice;
		events {}
		http {
			access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
			fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
			%[2]s
		}`, dir, site)), 0o600))
	require.NoError(t, reserved.Close())

	stderr := &text{}
	cmd := exec.Command(program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Stderr = stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, 30*time.Second, 20*time.Millisecond, "%v", stderr)
	return host, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "chat.example.com", MinVersion: tls.VersionTLS12}}
}

// writeCertificate writes a certificate for chat.example.com and its key to dir, and returns a pool
// that trusts the certificate.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"chat.example.com"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "certificate"), certificate, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600))
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(certificate))
	return roots
}

// A visitor is a client of the proxy with its own IP address.
type visitor struct {
	t    *testing.T
	host string
	http *http.Client
}

// newVisitor returns a client that connects from the loopback address from.
func newVisitor(t *testing.T, host string, trusting *http.Transport, from string) *visitor {
	t.Helper()
	transport := trusting.Clone()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", host) }
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{t, "chat.example.com:" + host[strings.LastIndex(host, ":")+1:], &http.Client{Transport: transport}}
}

// ask runs an operation over HTTP and returns the status and the body.
func (v *visitor) ask(token, query string, variables map[string]any, header http.Header) (status int, answer string) {
	v.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	require.NoError(v.t, err)
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, "https://"+v.host+"/graphql", bytes.NewReader(body))
	require.NoError(v.t, err)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	maps.Copy(r.Header, header)
	response, err := v.http.Do(r)
	require.NoError(v.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)
	return response.StatusCode, string(text)
}

func (v *visitor) dial(origin string) (*websocket.Conn, error) {
	v.t.Helper()
	conn, _, err := websocket.Dial(v.t.Context(), "wss://"+v.host+"/graphql", &websocket.DialOptions{
		HTTPClient: v.http, Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Origin": {origin}},
	})
	return conn, err
}

func TestDocumentedProxyForwardsQueriesAndSubscriptions(t *testing.T) {
	t.Parallel()
	server := start(t, t.TempDir(), "-proxies", "1")
	host, trusting := startNginx(t, server)
	ada := register(t, server, "ada.lovelace", "12345678")
	v := newVisitor(t, host, trusting, "127.0.0.2")

	status, answer := v.ask(ada.Token, `{ me { username } }`, nil, nil)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"data": {"me": {"username": "ada.lovelace"}}}`, answer)
	long := strings.Repeat("a", 200<<10)
	_, answer = v.ask(ada.Token, `query ($s: String) { users(username: $s) { totalCount } }`, map[string]any{"s": long}, nil)
	require.Contains(t, answer, "BAD_USER_INPUT", "a body that is not too large for the server is not for the proxy")

	_, err := v.dial("https://evil.example")
	require.Error(t, err, "pages of other hosts may open no socket")
	conn, err := v.dial("https://" + v.host)
	require.NoError(t, err, "pages of the same host may, on any port")
	defer conn.CloseNow() //nolint:errcheck // closed already
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, message := range []any{
		map[string]any{"type": "connection_init", "payload": map[string]any{"token": ada.Token}},
		map[string]any{"type": "subscribe", "id": "1", "payload": map[string]any{"query": `subscription { subscribe { success } }`}},
	} {
		require.NoError(t, wsjson.Write(ctx, conn, message))
		var answer map[string]any
		require.NoError(t, wsjson.Read(ctx, conn, &answer))
		require.Contains(t, []any{"connection_ack", "next"}, answer["type"], "%v", answer)
	}
	_, answer = v.ask(ada.Token, `mutation { createGroup(title: "Through the proxy") { userGroup { title } } }`, nil, nil)
	require.Contains(t, answer, "Through the proxy")
	var event map[string]any
	require.NoError(t, wsjson.Read(ctx, conn, &event))
	require.Contains(t, fmt.Sprint(event), "MEMBER_ADDED")
	require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
}

func TestClientsOfAProxyAreLimitedByTheirOwnAddresses(t *testing.T) {
	t.Parallel()
	server := start(t, t.TempDir(), "-proxies", "1")
	host, trusting := startNginx(t, server)
	greedy, honest := newVisitor(t, host, trusting, "127.0.0.2"), newVisitor(t, host, trusting, "127.0.0.3")
	const refused = `mutation { createUser(username: "a", email: "a@example.com", password: "a", firstName: "A", lastName: "A",
		phoneNumber: {countryCode: "1", number: "1"}) { user { id } } }`
	throttled := regexp.MustCompile(`"THROTTLED"`)
	for i := 0; ; i++ {
		require.Less(t, i, 100)
		if _, answer := greedy.ask("", refused, nil, nil); throttled.MatchString(answer) {
			break
		}
	}
	_, answer := honest.ask("", refused, nil, nil)
	require.Contains(t, answer, "BAD_USER_INPUT", "another client is not refused for it")
	_, answer = greedy.ask("", refused, nil, http.Header{"X-Forwarded-For": {"203.0.113.7"}})
	require.Contains(t, answer, "THROTTLED", "nobody gets another address by saying so")
}
