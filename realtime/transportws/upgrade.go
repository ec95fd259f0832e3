package transportws

import (
	"errors"
	"net/http"
	"strings"
)

// IsUpgrade reports whether r asks for a WebSocket. It is also true if a proxy has dropped some of
// the headers: [Server.ServeHTTP] then answers what is wrong.
func IsUpgrade(r *http.Request) bool {
	return isUpgrade(r) || r.Header.Get("Sec-WebSocket-Key") != "" || r.Header.Get("Sec-WebSocket-Version") != ""
}

func isUpgrade(r *http.Request) bool {
	return hasToken(r.Header, "Connection", "upgrade") && hasToken(r.Header, "Upgrade", "websocket")
}

func hasToken(h http.Header, name, token string) bool {
	for _, value := range h.Values(name) {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// Responses to upgrades that cannot work. Each says what is wrong, and what to change.
const (
	overHTTP2 = "this server opens WebSockets over HTTP/1.1, and this request came over HTTP/2: " +
		"make the client, or the proxy in front, use HTTP/1.1 for them"
	headersDropped = "a WebSocket needs an HTTP/1.1 request with the headers Connection: Upgrade and Upgrade: websocket, " +
		"and this one has not, or uses HTTP/1.0: make the proxy in front pass them on " +
		"(nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";)"
	notHijacked = "this server cannot take over the connection, which a WebSocket needs: " +
		"mount the handler outside of middleware whose http.ResponseWriter has neither Hijack nor Unwrap (http.TimeoutHandler is one), " +
		"and outside of adapters to servers that are not net/http"
)

// A hijackError says that the connection of a request cannot be taken over.
type hijackError struct{ error }

// refuseUpgrade answers a request that cannot become a WebSocket, and reports whether it did.
func refuseUpgrade(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.ProtoMajor > 1:
		http.Error(w, overHTTP2, http.StatusHTTPVersionNotSupported)
	case !r.ProtoAtLeast(1, 1), !isUpgrade(r):
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, headersDropped, http.StatusUpgradeRequired)
	default:
		return false
	}
	return true
}

// open upgrades the request and returns the agreed subprotocol, or "". If it fails it has sent the
// response.
func (s *Server) open(w http.ResponseWriter, r *http.Request) (c conn, chosen string, ok bool) {
	if refuseUpgrade(w, r) {
		return nil, "", false
	}
	c, chosen, err := accept(w, r, s.opts, &s.arriving)
	if cause, ok := errors.AsType[hijackError](err); ok {
		s.opts.Logger.Warn("cannot open a WebSocket: the connection cannot be taken over", "error", cause.error)
		http.Error(w, notHijacked, http.StatusNotImplemented)
	}
	return c, chosen, err == nil
}
