// Runs an introspection query with every option of graphql-js, and compares the answer with what
// graphql-js derives from the source of the schema:
//
//   node introspection.mjs http://127.0.0.1:8080/graphql
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from 'graphql'
import { check, graphql, runAll } from './harness.mjs'

const everything = {
  descriptions: true,
  specifiedByUrl: true,
  directiveIsRepeatable: true,
  schemaDescription: true,
  inputValueDeprecation: true,
  experimentalDirectiveDeprecation: true,
  oneOf: true,
}

check('the schema that is shown is the one that is served', async () => {
  const shown = buildClientSchema(await graphql(null, getIntrospectionQuery(everything)))
  const served = buildSchema(readFileSync(new URL('../../graphqlapi/schema.graphql', import.meta.url), 'utf8'))
  assert.equal(printSchema(lexicographicSortSchema(shown)), printSchema(lexicographicSortSchema(served)))
  assert.equal(shown.description, served.description)
})

await runAll('introspection')
