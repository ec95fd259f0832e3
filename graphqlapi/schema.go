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

// The roots as schema.graphql has them, and those of the schema of events.
const (
	rootsOfOperations = "schema {\n  query: Query\n  mutation: Mutation\n  subscription: Subscription\n}"
	rootsOfEvents     = "schema {\n  query: Subscription\n}"
)

// The executor's own bounds, behind those of package gqldoc, which refuses first and says why. The depth is more than the standard
// introspection query has; without a limit on overlaps validation is quadratic.
const (
	maxDepth       = 20
	maxOverlaps    = 10_000
	maxParallelism = 10
)

// newSchemas returns the schema as two: operations runs queries and mutations; events has the type Subscription as its query type, and
// runs a subscription as a query, once for each event: see [withEvent]. The sdl is the whole schema, for whoever reads documents first.
func newSchemas(app *buddychat.App, o *Options) (operations, events *graphql.Schema, sdl string, err error) {
	if app == nil {
		return nil, nil, "", errors.New("graphqlapi: an app is required")
	}
	if strings.Count(schemaSDL, rootsOfOperations) != 1 {
		return nil, nil, "", errors.New("graphqlapi: the schema has no roots")
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

// resolver is what all resolvers have in common.
type resolver struct {
	app      *buddychat.App
	searches searches
	loads    *loads
}

// wire turns an error into one for the client.
func (r *resolver) wire(ctx context.Context, err error) error {
	if err != nil {
		budgetOf(ctx).hold(errorBytes) // there may be one for each entry of a page
	}
	return wire(err)
}

// operationRoots are the roots of the schema of operations. Its subscriptions are there to be read about, and run by the other schema.
type operationRoots struct{ r *resolver }

func (o operationRoots) Query() *queries              { return &queries{o.r} }
func (o operationRoots) Mutation() *mutations         { return &mutations{o.r} }
func (o operationRoots) Subscription() *subscriptions { return &subscriptions{o.r} }

// eventRoots are the roots of the schema of events.
type eventRoots struct{ r *resolver }

func (e eventRoots) Query() *subscriptions { return &subscriptions{e.r} }

// panicHandler makes an INTERNAL error of a panic in a resolver. Its cause is logged with the path, as that of
// any other.
type panicHandler struct{}

func (panicHandler) LogPanic(context.Context, any) {}

func (panicHandler) MakePanicError(_ context.Context, value any) *gqlerrors.QueryError {
	hidden := internal(panicked(value))
	return &gqlerrors.QueryError{Message: hidden.message, ResolverError: hidden, Extensions: hidden.Extensions()}
}
