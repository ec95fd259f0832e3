// Runs the clients of docs/clients.md, word for word, against a server and against one whose access
// tokens live for two seconds:
//
//   node clients.mjs http://127.0.0.1:8080/graphql http://127.0.0.1:8081/graphql
import { gql } from '@apollo/client'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildClientSchema, getIntrospectionQuery, printSchema } from 'graphql'
import relay from 'relay-runtime'
import WebSocket from 'ws'
import { apolloClient } from './clients/apollo.mjs'
import { follow } from './clients/follow.mjs'
import { socketClient } from './clients/graphql-ws.mjs'
import { relayEnvironment } from './clients/relay/environment.mjs'
import { urqlClient } from './clients/urql.mjs'
import { brief, check, graphql, http, newSession, newUser, runAll, sendMessage, socketOf, until } from './harness.mjs'

// connect returns a client of graphql-ws that reconnects at once, and the close codes of its
// sockets.
function connect(url, session) {
  const closes = []
  const client = socketClient(socketOf(url), session, { webSocketImpl: WebSocket, retryWait: async () => {} })
  client.on('closed', ({ code }) => closes.push(code))
  return { client, closes }
}

// recorded returns a fetch function that records requests and answers.
function recorded() {
  const requests = []
  const record = async (url, init) => {
    const response = await fetch(url, init)
    requests.push({ body: init.body && JSON.parse(init.body), answer: await response.clone().json() })
    return response
  }
  return { requests, fetch: record }
}

// expire waits until the access token of a session has expired.
async function expire(url, session) {
  const { token } = session
  await until(async () => (await graphql(token, '{ me { id } }', {}, url)).me === null)
}

const eventsOf = `subscription { events { id operation chatMessage { message { content } } } }`

check('a user is followed from the login on', async () => {
  const { user, session } = await newSession(http)
  const send = () => graphql(session.token, 'mutation { createGroup(title: "Seen") { userGroup { id } } }')
  const seen = []
  const following = follow(http, user.username, user.password, (event) => seen.push(event.operation), { webSocketImpl: WebSocket })
  const sending = until(async () => {
    await send() // repeated until the subscription is active
    return seen.includes('GROUP_CREATED') || seen.includes('MEMBER_ADDED')
  })
  await Promise.race([following.then(() => { throw new Error('the iterator ended') }), sending])
})

check('graphql-ws keeps its iterators across two expiries', async () => {
  const { user, session } = await newSession(brief)
  const sender = await newSession(brief)
  const { createChat } = await graphql(sender.session.token,
    `mutation ($other: ID!) { createChat(otherUserId: $other) { chat { id } } }`, { other: user.id }, brief)
  const [{ client, closes }, second] = [connect(brief, session), connect(brief, session)]
  const { eventCursor } = await graphql(session.token, '{ eventCursor }', {}, brief)
  const typed = client.iterate({
    query: 'subscription ($after: String) { events(after: $after) { operation chatMessage { message { content } } } }',
    variables: { after: eventCursor },
  })
  const documented = second.client.iterate({ query: 'subscription { subscribe { success } }' })
  assert.deepEqual((await documented.next()).value.data, { subscribe: { success: true } })

  let sent = 0
  const send = async () => {
    await sender.session.refresh()
    await graphql(sender.session.token, sendMessage, { chat: createChat.chat.id, content: String(sent++) }, brief)
  }
  const got = { typed: [], documented: [] }
  const read = async (name, iterator, contentOf) => {
    for await (const value of iterator) {
      assert.equal(value.errors, undefined)
      const content = contentOf(value)
      if (content !== undefined && !got[name].includes(content)) got[name].push(content)
    }
    throw new Error(`the iterator of ${name} ended`)
  }
  const reading = Promise.all([
    read('typed', typed, ({ data: { events } }) => events.operation === 'CHAT_MESSAGE_CREATED' ? events.chatMessage.message.content : undefined),
    read('documented', documented, ({ operation, payload }) => operation === 'CHAT_MESSAGE_CREATED' ? payload.chatMessage.message.content : undefined),
  ])
  const sending = (async () => {
    while (closes.length < 2 || second.closes.length < 2) {
      await send()
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await send()
    const all = Array.from({ length: sent }, (_, i) => String(i))
    await until(() => got.typed.length === sent && got.documented.length === sent)
    assert.deepEqual(got, { typed: all, documented: all })
  })()
  await Promise.race([sending, reading])
  assert.ok([...closes, ...second.closes].every((code) => code === 4403))
  reading.catch(() => {}) // the iterators end with the clients
  await Promise.all([client.dispose(), second.client.dispose()])
})

// fill sends count messages to a new chat of the session's user.
async function fill({ session }, count) {
  const other = await newUser()
  const { createChat } = await graphql(session.token, `mutation ($other: ID!) { createChat(otherUserId: $other) { chat { id } } }`, { other: other.id })
  for (let i = 0; i < count; i++) await graphql(session.token, sendMessage, { chat: createChat.chat.id, content: String(i) })
  return createChat.chat.id
}

const messagesOf = `query Messages($chat: ID!, $after: String) {
  chat(id: $chat) { id chatMessages(first: 10, after: $after) {
    edges { cursor node { id message { content } } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`

check('Apollo Client pages through a list, and falls back from persisted queries', async () => {
  const login = await newSession()
  const chat = await fill(login, 25)
  const { client: socket } = connect(http, login.session)
  const { requests, fetch } = recorded()
  const client = apolloClient(http, login.session, socket, { fetch })
  const watched = client.watchQuery({ query: gql(messagesOf), variables: { chat } })
  let latest
  const subscription = watched.subscribe((result) => { latest = result })
  await until(() => latest?.data?.chat)
  while (latest.data.chat.chatMessages.pageInfo.hasNextPage) {
    const { endCursor } = latest.data.chat.chatMessages.pageInfo
    await watched.fetchMore({ variables: { after: endCursor } })
    await until(() => latest.data.chat.chatMessages.pageInfo.endCursor !== endCursor)
  }
  const contents = latest.data.chat.chatMessages.edges.map(({ node }) => node.message.content)
  assert.deepEqual(contents, Array.from({ length: 25 }, (_, i) => String(24 - i)))
  assert.equal(requests[0].body.query, undefined)
  assert.ok(requests[0].body.extensions.persistedQuery.sha256Hash)
  assert.equal(requests[0].answer.errors[0].message, 'PersistedQueryNotSupported')
  assert.ok(requests.slice(1).every(({ body }) => body.query), 'it asks once')
  assert.equal(requests.length, 4)
  subscription.unsubscribe()
  client.stop()
  await socket.dispose()
})

check('Apollo Client gets events', async () => {
  const login = await newSession()
  const chat = await fill(login, 0)
  const { client: socket } = connect(http, login.session)
  const client = apolloClient(http, login.session, socket)
  const opened = new Promise((resolve) => socket.on('connected', resolve))
  const content = new Promise((resolve, reject) => {
    client.subscribe({ query: gql(eventsOf) }).subscribe({
      next: ({ data, error }) => error ? reject(error) : data.events.chatMessage && resolve(data.events.chatMessage.message.content),
      error: reject,
    })
  })
  await opened
  await client.query({ query: gql`query Me { me { id username } }` }) // sent after the subscription, to the same server
  const sending = setInterval(() => client.mutate({
    mutation: gql`mutation Send($chat: ID!) { createChatMessage(chatId: $chat, content: "Hello") { chatMessage { id } } }`, variables: { chat },
  }), 200)
  assert.equal(await content, 'Hello')
  clearInterval(sending)
  client.stop()
  await socket.dispose()
})

check('Apollo Client refreshes an expired login', async () => {
  const { user, session } = await newSession(brief)
  const { client: socket } = connect(brief, session)
  const client = apolloClient(brief, session, socket)
  for (const query of ['query { me { id username } }', 'query { chats { edges { node { id } } } }']) {
    await expire(brief, session)
    const { data } = await client.query({ query: gql(query), fetchPolicy: 'no-cache' })
    if (data.me) assert.equal(data.me.username, user.username)
    else assert.deepEqual(data.chats.edges, [])
  }
  client.stop()
  await socket.dispose()
})

check('urql falls back from persisted queries, and gets events', async () => {
  const login = await newSession()
  const chat = await fill(login, 3)
  const { client: socket } = connect(http, login.session)
  const { requests, fetch } = recorded()
  const client = urqlClient(http, login.session, socket, { fetch })
  const { data, error } = await client.query(messagesOf, { chat }).toPromise()
  assert.equal(error, undefined)
  assert.deepEqual(data.chat.chatMessages.edges.map(({ node }) => node.message.content), ['2', '1', '0'])
  assert.deepEqual(requests.map(({ body }) => body.query === undefined), [true, false])
  const opened = new Promise((resolve) => socket.on('connected', resolve))
  let content
  const { unsubscribe } = client.subscription(eventsOf, {}).subscribe(({ data, error }) => {
    assert.equal(error, undefined)
    content ??= data.events.chatMessage?.message.content
  })
  await opened
  await until(async () => {
    const sent = await client.mutation(sendMessage, { chat, content: 'Hello' }).toPromise()
    assert.equal(sent.error, undefined)
    return content === 'Hello'
  })
  unsubscribe()
  await socket.dispose()
})

check('urql refreshes an expired login', async () => {
  const { user, session } = await newSession(brief)
  const { client: socket } = connect(brief, session)
  const client = urqlClient(brief, session, socket)
  const ask = async (query) => {
    const { data, error } = await client.query(query, {}, { requestPolicy: 'network-only' }).toPromise()
    assert.equal(error, undefined)
    return data
  }
  await expire(brief, session)
  assert.deepEqual((await ask('query { chats { edges { node { id } } } }')).chats.edges, [])
  await expire(brief, session)
  await ask('query { me { id username } }') // answered as if logged out; the next operation has a new token
  assert.equal((await ask('query { me { id username } }')).me.username, user.username)
  await socket.dispose()
})

// compiled runs the Relay compiler on the sources in docs/clients.md and the server's schema. It
// returns a function that imports an artifact. The compiler adds its output to the repository that
// it runs in, so it runs in a temporary folder.
async function compiled(token) {
  const folder = mkdtempSync(join(tmpdir(), 'relay-'))
  process.on('exit', () => rmSync(folder, { recursive: true }))
  for (const file of ['ChatList.js', 'relay.config.json']) {
    copyFileSync(new URL(`clients/relay/${file}`, import.meta.url), join(folder, file))
  }
  const introspection = await graphql(token, getIntrospectionQuery(everyOption))
  writeFileSync(join(folder, 'schema.graphql'), printSchema(buildClientSchema(introspection)))
  const compiler = fileURLToPath(new URL('node_modules/relay-compiler/cli.js', import.meta.url))
  execFileSync(process.execPath, [compiler, 'relay.config.json', '--noWatchman'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  return async (name) => (await import(pathToFileURL(join(folder, '__generated__', `${name}.graphql.js`)))).default
}

// The options of introspection that tools use.
const everyOption = { specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, inputValueDeprecation: true, oneOf: true }

check('the Relay compiler takes the served schema, and its operations run', async () => {
  const login = await newSession()
  await fill(login, 1)
  await fill(login, 1)
  const generated = await compiled(login.session.token)
  const { client: socket } = connect(http, login.session)
  const environment = relayEnvironment(http, login.session, socket)
  const query = await generated('ChatListQuery')
  const data = await relay.fetchQuery(environment, query, { count: 1 }).toPromise()
  assert.equal(data.me.username, login.user.username)
  const first = relay.getSelector(await generated('ChatList_chats'), data)
  const page = environment.lookup(first).data.chats
  assert.deepEqual([page.edges.length, page.pageInfo.hasNextPage, page.edges[0].node.lastMessage.message.content], [1, true, '0'])
  const more = await relay.fetchQuery(environment, await generated('ChatListPaginationQuery'), { count: 1, cursor: page.pageInfo.endCursor }).toPromise()
  assert.ok(more)
  assert.equal(environment.lookup(first).data.chats.edges.length, 2, 'the connection holds both pages')

  const subscription = await generated('ChatListEventsSubscription')
  const seen = new Promise((resolve, reject) => {
    relay.requestSubscription(environment, { subscription, variables: {}, onNext: resolve, onError: reject })
  })
  const opened = new Promise((resolve) => socket.on('connected', resolve))
  await opened
  let event
  seen.then((value) => { event = value }, (error) => { event = { error } })
  await until(async () => {
    await graphql(login.session.token, sendMessage, { chat: page.edges[0].node.id, content: 'Hello' })
    return event
  })
  assert.equal(event.events.operation, 'CHAT_MESSAGE_CREATED')
  assert.equal(environment.lookup(first).data.chats.edges[0].node.lastMessage.message.content, 'Hello', 'the event updates the list')
  await socket.dispose()
})

await runAll('clients')
