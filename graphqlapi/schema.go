package graphqlapi

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/graph-gophers/graphql-go"
	gqlerrors "github.com/graph-gophers/graphql-go/errors"

	"github.com/buddychat/buddychat"
)

//go:embed schema.graphql
var schemaSDL string

// The root types in schema.graphql, and those of the event schema.
const (
	rootsOfOperations = "schema {\n  query: Query\n  mutation: Mutation\n  subscription: Subscription\n}"
	rootsOfEvents     = "schema {\n  query: Subscription\n}"
)

// Bounds of the executor. Package gqldoc has tighter ones and better messages, so these are only a
// second line of defense. maxDepth allows the standard introspection query. Without maxOverlaps,
// validation takes quadratic time.
const (
	maxDepth       = 20
	maxOverlaps    = 10_000
	maxParallelism = 10
)

// newSchemas returns two executable schemas and the text of schema.graphql. operations executes
// queries and mutations. events has Subscription as its query type and executes a subscription as a
// query, once for each event: see [withEvent].
func newSchemas(app *buddychat.App, o *Options) (operations, events *graphql.Schema, sdl string, err error) {
	if app == nil {
		return nil, nil, "", errors.New("graphqlapi: an app is required")
	}
	if strings.Count(schemaSDL, rootsOfOperations) != 1 {
		return nil, nil, "", errors.New("graphqlapi: schema.graphql has no root types")
	}
	r := &resolver{app: app, searches: newSearches(o.MaxSearches), loads: newLoads()}
	options := []graphql.SchemaOpt{
		graphql.UseStringDescriptions(),
		graphql.UseFieldResolvers(),
		graphql.MaxDepth(maxDepth),
		graphql.OverlapValidationLimit(maxOverlaps),
		graphql.MaxParallelism(maxParallelism),
		graphql.Tracer(boundTracer{}),
		graphql.Logger(panicHandler{}),
		graphql.PanicHandler(panicHandler{}),
	}
	operations, err = graphql.ParseSchema(schemaSDL, operationRoots{r}, options...)
	if err != nil {
		return nil, nil, "", fmt.Errorf("graphqlapi: %w", err)
	}
	events, err = graphql.ParseSchema(strings.Replace(schemaSDL, rootsOfOperations, rootsOfEvents, 1), eventRoots{r}, options...)
	if err != nil {
		return nil, nil, "", fmt.Errorf("graphqlapi: %w", err)
	}
	return operations, events, schemaSDL, nil
}

// resolver holds what all resolvers need.
type resolver struct {
	app      *buddychat.App
	searches searches
	loads    *loads
}

// wire converts an error for the client and charges it to the budget.
func (r *resolver) wire(ctx context.Context, err error) error {
	if err != nil {
		budgetOf(ctx).hold(errorBytes) // there may be one for each entry of a page
	}
	return wire(err)
}

// operationRoots are the root resolvers of the operation schema. Its Subscription type is only for
// introspection: the event schema executes subscriptions.
type operationRoots struct{ r *resolver }

func (o operationRoots) Query() *queries              { return &queries{o.r} }
func (o operationRoots) Mutation() *mutations         { return &mutations{o.r} }
func (o operationRoots) Subscription() *subscriptions { return &subscriptions{o.r} }

// eventRoots are the root resolvers of the event schema.
type eventRoots struct{ r *resolver }

func (e eventRoots) Query() *subscriptions { return &subscriptions{e.r} }

// panicHandler converts a panic in a resolver into an INTERNAL error. It logs nothing, because the
// cause is logged with the path like that of any INTERNAL error.
type panicHandler struct{}

func (panicHandler) LogPanic(context.Context, any) {}

func (panicHandler) MakePanicError(_ context.Context, value any) *gqlerrors.QueryError {
	hidden := internal(panicked(value))
	return &gqlerrors.QueryError{Message: hidden.message, ResolverError: hidden, Extensions: hidden.Extensions()}
}
