// Package graphqlapi serves the chat services as a GraphQL API. Its [Handler] is a
// [net/http.Handler] that works with any mux and any path. It serves queries and mutations over
// HTTP, and all operations including subscriptions over a WebSocket (graphql-transport-ws) at the
// same path.
//
//	api, err := graphqlapi.NewHandler(app, nil)
//	mux.Handle("/graphql", api)
package graphqlapi
