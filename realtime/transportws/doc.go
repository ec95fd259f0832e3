// Package transportws is the server side of graphql-transport-ws, the protocol that carries GraphQL
// operations over one WebSocket (its definition: PROTOCOL.md of enisdenjo/graphql-ws). It knows nothing of
// GraphQL itself: a [Handler] gets each operation as it was sent and yields results as raw JSON, which go out
// byte for byte.
//
// A [Server] is an [net/http.Handler]. Its ServeHTTP upgrades the request and returns when the socket and
// all that ran on it have ended, so a limit of sockets by address is a counter around it:
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
// The handler's Init answers connection_init, and returns the context of the session. From then on every
// subscribe frame, be it a query, a mutation or a subscription, is one call of Operation in a goroutine of
// its own. The socket ends when the client leaves, breaks the protocol or stops reading; when the context of
// the session ends, with the close code of its cause, a [CloseError]; and when the server shuts down.
//
// Whichever of the last two it is, the contexts of the operations end, with that cause, and the operations
// get [Options].DrainTimeout to end. What they yield in that time is still written. An operation that ends
// after its context did was cut off, unless it yielded a result after that moment: then it was let finish
// (a mutation whose handler shields it with [context.WithoutCancel], say), and gets its complete frame. An operation
// that was cut off gets no frame, so that the client subscribes again when it is back.
//
// # Slow clients
//
// A yield returns at once while less than [Options].QueueBytes wait to be written, and blocks above that:
// memory stays bounded, and only this operation waits. So whatever feeds a subscription needs a bounded queue of its own.
// When that is full, cancel the session with a CloseError of [CodeSlowConsumer] as the cause: what is queued
// is dropped and the socket closes. A client that reads nothing for [Options].WriteTimeout is
// disconnected without a close frame, for nothing can be written to it any more.
package transportws
