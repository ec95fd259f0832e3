// Package transportws is the server side of graphql-transport-ws, the protocol that carries GraphQL
// operations over one WebSocket (defined in PROTOCOL.md of enisdenjo/graphql-ws). It does not
// interpret GraphQL: a [Handler] gets each operation as it was sent and yields results as raw JSON,
// which are sent byte for byte.
//
// A [Server] is an [net/http.Handler]. Its ServeHTTP upgrades the request and returns when the
// socket and all of its goroutines have ended. So a counter around it can limit the sockets of an
// address:
//
//	server, err := transportws.NewServer(func(r *http.Request) transportws.Handler {
//		return &session{header: r.Header.Get("Authorization")}
//	}, nil)
//	mux.HandleFunc("/graphql", func(w http.ResponseWriter, r *http.Request) {
//		if transportws.IsUpgrade(r) {
//			server.ServeHTTP(w, r)
//			return
//		}
//		…
//	})
//
// # The life of a socket
//
// The handler's Init answers connection_init, and returns the context of the session. From then on,
// each subscribe frame (a query, a mutation or a subscription) is one call of Operation in its own
// goroutine. The socket ends when the client leaves, breaks the protocol or stops reading. It also
// ends when the context of the session ends, with the close code of its cause, a [CloseError], and
// when the server shuts down.
//
// In these last two cases, the contexts of the operations end, with the same cause, and the
// operations get [Options].DrainTimeout to finish. What they yield in that time is still written.
// An operation that ends after its context did was cut off and gets no frame, so that the client
// subscribes again when it reconnects. The exception is an operation that yielded a result after
// its context ended: it was allowed to finish, such as a mutation whose handler uses
// [context.WithoutCancel], and gets its complete frame.
//
// # Slow clients
//
// A yield returns at once while less than [Options].QueueBytes are queued, and blocks above that:
// memory stays bounded, and only this operation waits. So the source of a subscription needs a
// bounded queue of its own. When that queue is full, cancel the session with a CloseError of
// [CodeSlowConsumer] as the cause: queued frames are dropped and the socket closes. A client that
// reads nothing for [Options].WriteTimeout is disconnected without a close frame, which it could
// not receive.
package transportws
