// Package graphqlapi serves chat as a GraphQL API: one [net/http.Handler] for any mux and any path, with queries and mutations over HTTP, and
// those and subscriptions over a WebSocket at the same path (graphql-transport-ws).
//
//	api, err := graphqlapi.NewHandler(app, nil)
//	mux.Handle("/graphql", api)
package graphqlapi
