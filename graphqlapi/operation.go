package graphqlapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/graph-gophers/graphql-go"
	graphqlerrors "github.com/graph-gophers/graphql-go/errors"
	"github.com/graph-gophers/graphql-go/trace/noop"

	"github.com/buddychat/buddychat/internal/gqldoc"
)

// A source is where requests come from.
type source struct {
	// viewer says who asks.
	viewer func(context.Context) (viewer, error)
	// address is what the client is known by to the limits.
	address string
	// takes refuses the kinds of operation that cannot come this way.
	takes func(gqldoc.Operation) error
}

// An operation has passed everything that comes before execution.
type operation struct {
	doc       *gqldoc.Document
	name      string
	variables map[string]any
	viewer    viewer
}

// prepare is what happens to every operation, however it came, before it is executed: what costs least comes first, and nothing is
// looked up for one that is beyond the limits.
func (h *Handler) prepare(ctx context.Context, q request, from source) (*operation, error) {
	doc, err := h.documents.Parse(q.query, q.operationName, q.variables)
	if err != nil {
		return nil, err
	}
	if doc.UsesIntrospection && !h.introspection {
		return nil, &wireError{code: codeForbidden, message: "introspection is closed here: the schema is in the documentation"}
	}
	if err := from.takes(doc.Operation); err != nil {
		return nil, err
	}
	v, err := from.viewer(ctx)
	v.operation = doc.Label()
	v.loggedIn = func(username string) { h.limits.rate.LoggedIn(username, from.address) }
	if err != nil {
		return nil, h.refuse(withViewer(ctx, v), err)
	}
	if err := h.limits.admit(doc, v, from.address); err != nil {
		return nil, err
	}
	if found := doc.Validate(); len(found) > 0 {
		return nil, refuseInvalid(found...)
	}
	if doc.Operation == gqldoc.Subscription && !isSubscription(doc.RootFields) {
		return nil, malformed(http.StatusBadRequest, "a subscription must select exactly one field: subscribe or events")
	}
	variables, err := doc.CoerceVariables()
	if err != nil {
		return nil, err
	}
	if doc.Operation == gqldoc.Subscription && doc.SelectsNothing(variables) {
		return nil, malformed(http.StatusBadRequest, "this subscription skips its only field: select subscribe or events, without a @skip or @include that leaves it out")
	}
	return &operation{doc: doc, name: q.operationName, variables: variables, viewer: v}, nil
}

func isSubscription(roots []gqldoc.RootField) bool {
	return len(roots) == 1 && (roots[0].Name == "subscribe" || roots[0].Name == "events")
}

// execute runs a query or mutation. The error says that nothing was run.
func (h *Handler) execute(ctx context.Context, op *operation) (*response, error) {
	asksCursor := slices.ContainsFunc(op.doc.RootFields, func(f gqldoc.RootField) bool { return f.Name == "eventCursor" })
	if asksCursor && op.doc.Operation == gqldoc.Query && op.viewer.known() {
		cursor, err := h.app.Hub.Position(ctx)
		if err != nil {
			return nil, h.refuse(withViewer(ctx, op.viewer), fmt.Errorf("eventCursor: %w", err))
		}
		op.viewer.eventCursor = cursor
	}
	r, err := h.runOperation(withViewer(ctx, op.viewer), op)
	if err != nil {
		return nil, err
	}
	// Not in the answers to mutations: a client that refreshes where it is told so would never be done with refreshToken.
	if op.viewer.refused != "" && op.doc.Operation == gqldoc.Query {
		r.extensions = map[string]any{"authentication": op.viewer.refused}
	}
	return r, r.refused()
}

// runOperation has the executor run an operation, but for __schema and __type, of which it does not know everything.
func (h *Handler) runOperation(ctx context.Context, op *operation) (*response, error) {
	if !op.doc.UsesIntrospection {
		return h.run(ctx, h.operations, op.doc.Text(), op.name, op.variables), nil
	}
	answered, err := op.doc.Introspect(op.variables)
	if err != nil {
		return nil, err
	}
	r := &response{data: json.RawMessage("{}")}
	if answered.Rest != "" {
		r = h.run(ctx, h.operations, answered.Rest, op.name, op.variables)
	}
	if r.data != nil {
		r.data, err = answered.Merge(r.data)
	}
	return r, err
}

// run gives a document to the executor.
func (h *Handler) run(ctx context.Context, schema *graphql.Schema, document, name string, variables map[string]any) *response {
	result := schema.Exec(withBound(ctx), document, name, variables)
	return h.newResponse(ctx, result.Data, result.Errors)
}

type boundKey struct{}

// withBound returns a context for the executor, which throws away all data where its context has ended: this one does not. The
// resolvers get the one that does end from a [boundTracer], and what they answered until then is kept.
func withBound(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), boundKey{}, ctx)
}

// boundTracer is to be the tracer of every schema.
type boundTracer struct{ noop.Tracer }

func (boundTracer) TraceField(ctx context.Context, _, typeName, _ string, _ bool, _ map[string]any) (context.Context, func(*graphqlerrors.QueryError)) {
	switch typeName {
	case "Query", "Mutation", "Subscription": // those below inherit it
		if bound, ok := ctx.Value(boundKey{}).(context.Context); ok {
			ctx = bound
		}
	}
	return ctx, func(*graphqlerrors.QueryError) {}
}
