package graphqlapi

import (
	"testing"
)

// BenchmarkNewestFifty runs the query of a client that opens a chat, without HTTP, on the in-memory
// store.
func BenchmarkNewestFifty(b *testing.B) {
	w := newWorld(b)
	anna, bert := w.register("anna"), w.register("bert")
	mine, others := w.open(anna, bert)
	for range 50 {
		w.send(others.Copy(), "Shall we meet at the station at half past seven?")
	}
	ctx := withViewer(b.Context(), viewer{Identity: Identity{User: anna}})
	for name, selection := range map[string]string{
		"plain":              `id message { id content date sender { id username } }`,
		"with what can fail": `id message { id content date sender { id email } }`,
	} {
		b.Run(name, func(b *testing.B) {
			document := `query($id: ID!) { chat(id: $id) { chatMessages(first: 50) { nodes { ` + selection + ` } pageInfo { hasNextPage endCursor } } } }`
			for b.Loop() {
				if r := w.operations.Exec(ctx, document, "", map[string]any{"id": chatID(mine.ID)}); r.Data == nil {
					b.Fatal(r.Errors)
				}
			}
		})
	}
}
