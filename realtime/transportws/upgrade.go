package transportws

import (
	"errors"
	"net/http"
	"strings"
)

// IsUpgrade reports whether r asks for a WebSocket. It is true also where a proxy has dropped the headers that make it an
// upgrade and left the others: [Server.ServeHTTP] answers what is wrong then.
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

// What an upgrade that cannot work is answered: what is wrong, and what to change.
const (
	overHTTP2 = "WebSockets are opened over HTTP/1.1 here, and this request came over HTTP/2: " +
		"have the client, or the proxy in front, use HTTP/1.1 for them"
	headersDropped = "a WebSocket is opened here by a request over HTTP/1.1 with the headers Connection: Upgrade and Upgrade: websocket, " +
		"and this one came without: have the proxy in front pass them on " +
		"(nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";)"
	notHijacked = "this server cannot take over the connection, which a WebSocket needs: " +
		"mount the handler outside of middleware whose http.ResponseWriter has neither Hijack nor Unwrap (http.TimeoutHandler is one), " +
		"and outside of adaptors to servers that are not net/http"
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

// open upgrades the request and returns the subprotocol that was agreed on, or "". When it fails it has answered.
func (s *Server) open(w http.ResponseWriter, r *http.Request) (c conn, chosen string, ok bool) {
	if refuseUpgrade(w, r) {
		return nil, "", false
	}
	c, chosen, err := accept(w, r, s.opts, &s.arriving)
	if cause, ok := errors.AsType[hijackError](err); ok {
		s.opts.Logger.Warn("a WebSocket could not be opened: the connection cannot be taken over", "error", cause.error)
		http.Error(w, notHijacked, http.StatusNotImplemented)
	}
	return c, chosen, err == nil
}
