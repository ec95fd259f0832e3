package graphqlapi

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/buddychat/buddychat/internal/gqldoc"
	"github.com/buddychat/buddychat/realtime"
)

func parseSchema(t *testing.T, name, sdl string) *ast.Schema {
	t.Helper()
	s, err := validator.LoadSchema(validator.Prelude, &ast.Source{Name: name, Input: sdl})
	require.NoError(t, err)
	return s
}

// declared returns the types of a schema that are not built in.
func declared(s *ast.Schema) []*ast.Definition {
	var all []*ast.Definition
	for _, d := range s.Types {
		if !d.BuiltIn {
			all = append(all, d)
		}
	}
	return all
}

// signature returns the text of a field with its arguments sorted by name, without descriptions.
func signature(f *ast.FieldDefinition) string {
	args := make([]string, len(f.Arguments))
	for i, a := range f.Arguments {
		args[i] = a.Name + ": " + a.Type.String()
		if a.DefaultValue != nil {
			args[i] += " = " + a.DefaultValue.String()
		}
	}
	slices.Sort(args)
	s := f.Name + "(" + strings.Join(args, ", ") + "): " + f.Type.String()
	if d := f.Directives.ForName("deprecated"); d != nil {
		s += " @deprecated " + d.Arguments.ForName("reason").Value.Raw
	}
	return s
}

func TestSchemaMatchesTheContract(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/contract.graphql")
	require.NoError(t, err)
	contract, served := parseSchema(t, "contract", string(text)), parseSchema(t, "served", schemaSDL)

	require.Equal(t, contract.Query.Name, served.Query.Name)
	require.Equal(t, contract.Mutation.Name, served.Mutation.Name)
	require.Equal(t, contract.Subscription.Name, served.Subscription.Name)
	for _, want := range declared(contract) {
		t.Run(want.Name, func(t *testing.T) {
			got := served.Types[want.Name]
			require.NotNil(t, got)
			require.Equal(t, want.Kind, got.Kind)
			require.Equal(t, want.Interfaces, got.Interfaces)
			for _, f := range want.Fields {
				field := got.Fields.ForName(f.Name)
				require.NotNil(t, field, f.Name)
				require.Equal(t, signature(f), signature(field))
			}
			require.Len(t, got.Fields, len(want.Fields), "the schema has undocumented fields")
			for _, v := range want.EnumValues {
				require.NotNil(t, got.EnumValues.ForName(v.Name), v.Name)
			}
			require.Len(t, got.EnumValues, len(want.EnumValues))
			require.Len(t, got.Directives, len(want.Directives))
		})
	}
	require.Len(t, declared(served), len(declared(contract)))
}

func TestTheSchemaDescribesEverything(t *testing.T) {
	t.Parallel()
	for _, d := range declared(parseSchema(t, "served", schemaSDL)) {
		require.NotEmpty(t, strings.TrimSpace(d.Description), d.Name)
		for _, f := range d.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue // built in
			}
			require.NotEmpty(t, strings.TrimSpace(f.Description), "%s.%s", d.Name, f.Name)
			for _, a := range f.Arguments {
				require.NotEmpty(t, strings.TrimSpace(a.Description), "%s.%s(%s)", d.Name, f.Name, a.Name)
			}
		}
		for _, v := range d.EnumValues {
			require.NotEmpty(t, strings.TrimSpace(v.Description), "%s.%s", d.Name, v.Name)
		}
	}
}

func TestTheEnumHasEveryOperation(t *testing.T) {
	t.Parallel()
	values := parseSchema(t, "served", schemaSDL).Types["Operation"].EnumValues
	for _, op := range clientOperations {
		require.NotNil(t, values.ForName(string(op)), op)
	}
	require.Len(t, values, len(clientOperations))
}

var clientOperations = []realtime.Operation{
	realtime.ChatMessageCreated, realtime.ChatMessageUpdated, realtime.ChatMessageDeleted, realtime.ChatMessageUnsent, realtime.ChatMessageRead,
	realtime.ChatDeleted, realtime.GroupMessageCreated, realtime.GroupMessageUpdated, realtime.GroupMessageDeleted, realtime.GroupMessageUnsent,
	realtime.GroupMessageRead, realtime.GroupDeleted, realtime.GroupUpdated, realtime.GroupPermanentlyRemoved, realtime.NotificationCreated,
	realtime.MemberAdded, realtime.MemberRemoved, realtime.MemberLeft,
}

func TestIntrospectionShowsTheThreeRootsWithDescriptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run(noLogin, `{ __schema { queryType { name description } mutationType { name } subscriptionType { name fields { name description args { name description } } }
		types { name fields(includeDeprecated: true) { name type { ofType { ofType { ofType { ofType { ofType { ofType { name } } } } } } } } } } }`)
	require.Equal(t, "Query", r.string("__schema.queryType.name"))
	require.NotEmpty(t, r.string("__schema.queryType.description"))
	require.Equal(t, "Mutation", r.string("__schema.mutationType.name"))
	require.Equal(t, "Subscription", r.string("__schema.subscriptionType.name"))
	require.Equal(t, []string{"subscribe", "events"}, r.list("__schema.subscriptionType.fields", "name"))
}

func TestSubscriptionsValidateAgainstTheWholeSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, sdl, err := newSchemas(w.app, &Options{})
	require.NoError(t, err)
	schema, err := gqldoc.NewSchema(sdl, gqldoc.Limits{})
	require.NoError(t, err)
	doc, err := schema.Parse(`subscription { events { id chat { id } } }`, "", nil)
	require.NoError(t, err)
	require.Empty(t, doc.Validate())
	ana := w.register("anna")
	c, _ := w.open(ana, ana)
	r := w.deliver(realtime.Event{ID: "7", Operation: realtime.ChatDeleted, Copy: c.Copy()}, doc.AsQuery())
	require.Equal(t, "7", r.string("events.id"))
	require.Equal(t, chatID(c.ID), r.string("events.chat.id"))
}

func TestPanicsOfResolversAreHidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.app.Chats = nil
	r := w.run(w.register("anna"), `{ chats { nodes { id } } }`)
	r.refused("INTERNAL")
	require.Equal(t, "internal error", r.errors[0].Message)
	require.NotContains(t, r.text, "nil pointer")
	require.Contains(t, w.log.String(), "nil pointer")
}

func TestFailuresOfTheStoreAreHidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna := w.register("anna")
	w.app.Directory = failingDirectory{}
	r := w.run(anna, `{ me { username } }`)
	r.refused("INTERNAL")
	require.NotContains(t, r.text, "unreachable")
	require.Contains(t, w.log.String(), "unreachable")
}
