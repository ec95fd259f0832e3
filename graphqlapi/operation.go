package graphqlapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/graph-gophers/graphql-go"
	graphqlerrors "github.com/graph-gophers/graphql-go/errors"
	"github.com/graph-gophers/graphql-go/trace/noop"

	"github.com/buddychat/buddychat/internal/gqldoc"
)

// A source describes where a request comes from.
type source struct {
	// viewer identifies the caller.
	viewer func(context.Context) (viewer, error)
	// address is the key of the client's address for the limits.
	address string
	// takes returns an error for kinds of operation that this transport cannot serve.
	takes func(gqldoc.Operation) error
}

// An operation is ready for execution: it is parsed, admitted and valid.
type operation struct {
	doc       *gqldoc.Document
	name      string
	variables map[string]any
	viewer    viewer
	address   string
}

// client is the key of the client for the memory bounds.
func (op *operation) client() string {
	if op.viewer.known() {
		return "user " + string(op.viewer.User)
	}
	return "address " + op.address
}

// prepare does everything that comes before the execution of an operation, for all transports. The
// cheapest checks come first, and an operation beyond the limits causes no queries.
func (h *Handler) prepare(ctx context.Context, q request, from source) (*operation, error) {
	doc, err := h.documents.Parse(q.query, q.operationName, q.variables)
	if err != nil {
		return nil, err
	}
	if doc.UsesIntrospection && !h.introspection {
		return nil, &wireError{code: codeForbidden, message: "introspection is disabled on this server: see the documentation for the schema"}
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
	return &operation{doc: doc, name: q.operationName, variables: variables, viewer: v, address: from.address}, nil
}

func isSubscription(roots []gqldoc.RootField) bool {
	return len(roots) == 1 && (roots[0].Name == "subscribe" || roots[0].Name == "events")
}

// execute runs a query or mutation. An error means that nothing was executed.
func (h *Handler) execute(ctx context.Context, op *operation) (*response, error) {
	asksCursor := slices.ContainsFunc(op.doc.RootFields, func(f gqldoc.RootField) bool { return f.Name == "eventCursor" })
	if asksCursor && op.doc.Operation == gqldoc.Query && op.viewer.known() {
		cursor, err := h.app.Hub.Position(ctx)
		if err != nil {
			return nil, h.refuse(withViewer(ctx, op.viewer), fmt.Errorf("eventCursor: %w", err))
		}
		op.viewer.eventCursor = cursor
	}
	r, err := h.runOperation(ctx, op)
	// Not in answers to mutations: a client that calls refreshToken whenever it sees this extension
	// would never stop.
	if err == nil && op.viewer.refused != "" && op.doc.Operation == gqldoc.Query {
		r.extensions = map[string]any{"authentication": op.viewer.refused}
	}
	return r, err
}

// runOperation executes an operation. It answers __schema and __type itself, because the executor
// does not know the whole schema.
func (h *Handler) runOperation(ctx context.Context, op *operation) (*response, error) {
	if !op.doc.UsesIntrospection {
		return h.run(ctx, op, h.operations, op.doc.Text(), op.name)
	}
	answered, err := op.doc.Introspect(op.variables)
	if err != nil {
		return nil, err
	}
	r := &response{data: json.RawMessage("{}")}
	if answered.Rest != "" {
		if r, err = h.run(ctx, op, h.operations, answered.Rest, op.name); err != nil {
			return nil, err
		}
	}
	r.data, err = answered.Merge(r.data)
	if err == nil && int64(len(r.data)) > h.answers.most {
		err = errAnswerTooLarge(h.answers.most)
	}
	if err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

// run executes a document. The caller must release the response after writing it. An error means
// that nothing was executed, or that the answer exceeded its budget.
func (h *Handler) run(ctx context.Context, op *operation, schema *graphql.Schema, document, name string) (r *response, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	v := op.viewer
	v.budget = h.answers.begin(op.client(), op.doc.Cost, stop)
	defer func() {
		if r == nil || r.budget == nil {
			v.budget.release()
		}
	}()
	ctx = withViewer(ctx, v)
	result := schema.Exec(withBound(ctx), document, name, op.variables)
	if refused := v.budget.refusal(); refused != nil {
		return h.overBudget(op, refused)
	}
	made := h.newResponse(ctx, result.Data, result.Errors)
	if err := made.refused(); err != nil {
		return nil, err
	}
	v.budget.finish(len(made.data))
	made.budget = v.budget
	return made, nil
}

// overBudget returns the answer to an operation that the budget has stopped.
func (h *Handler) overBudget(op *operation, refused *budgetError) (*response, error) {
	if op.doc.Operation != gqldoc.Mutation {
		return nil, refused
	}
	// The mutation may have made changes, so it counts as executed.
	over, ok := errors.AsType[*refusal](refused)
	if !ok {
		return nil, refused
	}
	return &response{data: json.RawMessage("null"), errors: over.errors}, nil
}

type boundKey struct{}

// withBound returns a context for the executor that never ends, because the executor discards all
// data when its context ends. [boundTracer] passes the original context to the resolvers, so data
// that was resolved before the deadline is kept.
func withBound(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), boundKey{}, ctx)
}

// boundTracer must be the tracer of every schema that runs with [withBound].
type boundTracer struct{ noop.Tracer }

func (boundTracer) TraceField(ctx context.Context, _, typeName, _ string, _ bool, _ map[string]any) (context.Context, func(*graphqlerrors.QueryError)) {
	switch typeName {
	case "Query", "Mutation", "Subscription": // fields of nested objects inherit it
		if bound, ok := ctx.Value(boundKey{}).(context.Context); ok {
			ctx = bound
		}
	}
	return ctx, func(*graphqlerrors.QueryError) {}
}
