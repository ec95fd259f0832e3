// Tests a server without limits with graphql-ws, the usual client of graphql-transport-ws:
//
//   node graphqlws.mjs http://127.0.0.1:8080/graphql
import assert from 'node:assert/strict'
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'
import { check, graphql, newChat, newUser, runAll, sendMessage, ws } from './harness.mjs'

// connect returns a client that reconnects at once after each disconnect.
function connect(connectionParams, options) {
  return createClient({
    url: ws,
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: 1000,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 5)),
    ...options,
  })
}

// only returns the single result of a query or mutation.
function only(client, query, variables) {
  return new Promise((resolve, reject) => {
    let result
    client.subscribe({ query, variables }, {
      next: (value) => { result = value },
      error: reject,
      complete: () => resolve(result),
    })
  })
}

// refusal returns the errors that end a subscription.
function refusal(client, payload) {
  return new Promise((resolve, reject) => {
    client.subscribe(payload, { next: (value) => reject(new Error(`it delivers ${JSON.stringify(value)}`)), error: resolve, complete: reject })
  })
}

check('queries and mutations run over the socket', async () => {
  const { sender, chat } = await newChat()
  const client = connect({ Authorization: `Bearer ${sender.token}` })
  assert.deepEqual(await only(client, '{ me { id username } }'), { data: { me: { id: sender.id, username: sender.username } } })
  const sent = await only(client, sendMessage, { chat, content: 'Hello' })
  assert.equal(sent.data.createChatMessage.chatMessage.message.content, 'Hello')
  const refused = await only(client, sendMessage, { chat, content: '' })
  assert.deepEqual([refused.data.createChatMessage, refused.errors[0].extensions], [null, { code: 'BAD_USER_INPUT', field: 'content' }])
  await client.dispose()
})

check('a token in the header of the upgrade request does', async () => {
  const user = await newUser()
  class WithHeader extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { headers: { authorization: `JWT ${user.token}` } })
    }
  }
  const client = connect(undefined, { webSocketImpl: WithHeader })
  assert.equal((await only(client, '{ me { id } }')).data.me.id, user.id)
  await client.dispose()
})

check('many operations run on one socket', async () => {
  const user = await newUser()
  let sockets = 0
  const client = connect({ token: user.token }, { on: { connected: () => { sockets++ } } })
  const results = await Promise.all(Array.from({ length: 50 }, () => only(client, '{ me { id } }')))
  for (const { data } of results) assert.equal(data.me.id, user.id)
  assert.equal(sockets, 1)
  await client.dispose()
})

const count = 150

// overCuts sends messages to a receiver whose connection is cut again and again. It checks that no
// message is missed or out of order, and that repeats have the same id. subscribe gets the receiver
// and a function to call for each event, and returns the client.
async function overCuts(subscribe) {
  const { sender, receiver, chat, otherChat } = await newChat()
  const seen = new Map() // message contents by event id
  let began, ended
  const ready = new Promise((resolve) => { began = resolve })
  const all = new Promise((resolve, reject) => { ended = { resolve, reject } })
  const client = subscribe(receiver, began, ended.reject, (id, operation, chatId, content) => {
    if (operation !== 'CHAT_MESSAGE_CREATED') return
    assert.equal(chatId, otherChat, 'the id of the chat is the receiver’s')
    if (seen.has(id)) assert.equal(seen.get(id), content, 'a repeat has the same id')
    else seen.set(id, content)
    if (content === String(count - 1)) ended.resolve()
  })
  await ready
  for (let i = 0; i < count; i++) {
    await graphql(sender.token, sendMessage, { chat, content: String(i) })
    if (i % 15 === 7) client.terminate()
  }
  await all
  await client.dispose()
  assert.deepEqual([...seen.values()], Array.from({ length: count }, (_, i) => String(i)))
}

check('subscribe misses nothing, though its connection is cut', () =>
  overCuts((receiver, began, failed, got) => {
    let cursor
    const client = connect(() => ({ token: receiver.token, ...(cursor && { after: cursor }) }))
    client.subscribe({ query: 'subscription { subscribe { success } }' }, {
      next: (message) => {
        if (message.data) {
          assert.deepEqual(message.data, { subscribe: { success: true } })
          cursor = message.extensions.cursor
          began()
          return
        }
        assert.equal(message.type, 'broadcast')
        assert.ok(message.at)
        cursor = message.cursor
        const { chat, message: sent } = message.payload.chatMessage ?? {}
        got(message.id, message.operation, chat?.id, sent?.content)
      },
      error: failed,
      complete: failed,
    })
    return client
  }))

check('events misses nothing, though its connection is cut', () =>
  overCuts((receiver, began, failed, got) => {
    const client = connect({ token: receiver.token })
    // The client sends this same object after each reconnect, so the cursor is kept in it.
    const payload = {
      query: `subscription ($after: String) {
        events(after: $after) { id cursor operation chat { id } chatMessage { message { content } } }
      }`,
      variables: {},
    }
    graphql(receiver.token, '{ eventCursor }').then(({ eventCursor }) => {
      payload.variables.after = eventCursor
      client.subscribe(payload, {
        next: ({ data, errors }) => {
          if (errors) return failed(new Error(JSON.stringify(errors)))
          const event = data.events
          payload.variables.after = event.cursor
          got(event.id, event.operation, event.chat?.id, event.chatMessage?.message.content)
        },
        error: failed,
        complete: failed,
      })
      began()
    }, failed)
    return client
  }))

check('an event has the same id in both subscriptions', async () => {
  const { sender, receiver, chat } = await newChat()
  const { eventCursor } = await graphql(receiver.token, '{ eventCursor }')
  await graphql(sender.token, sendMessage, { chat, content: 'Hello' })
  const client = connect({ token: receiver.token, after: eventCursor })
  const first = (query, pick) => new Promise((resolve, reject) => {
    client.subscribe({ query, variables: { after: eventCursor } }, { next: (value) => pick(value) && resolve(pick(value)), error: reject, complete: reject })
  })
  const [envelope, typed] = await Promise.all([
    first('subscription { subscribe { success } }', ({ operation, id }) => operation === 'CHAT_MESSAGE_CREATED' && id),
    first('subscription ($after: String) { events(after: $after) { id operation } }', ({ data }) => data.events.operation === 'CHAT_MESSAGE_CREATED' && data.events.id),
  ])
  assert.equal(envelope, typed)
  await client.dispose()
})

check('a cursor that is unknown is an error of its own code', async () => {
  const user = await newUser()
  const client = connect({ token: user.token })
  const [error] = await refusal(client, { query: 'subscription { events(after: "nonsense") { id } }' })
  assert.equal(error.extensions.code, 'CURSOR_EXPIRED')
  await client.dispose()
})

check('a subscription without a login is refused, and the socket stays', async () => {
  const client = connect()
  const [error] = await refusal(client, { query: 'subscription { subscribe { success } }' })
  assert.equal(error.extensions.code, 'UNAUTHENTICATED')
  assert.deepEqual(await only(client, '{ me { id } }'), { data: { me: null } })
  await client.dispose()
})

check('the client completes one subscription, and others go on', async () => {
  const { sender, receiver, chat } = await newChat()
  const { eventCursor: after } = await graphql(receiver.token, '{ eventCursor }')
  const client = connect({ token: receiver.token })
  const query = 'subscription ($after: String) { events(after: $after) { operation } }'
  const stopped = client.iterate({ query, variables: { after } })
  const lasting = client.iterate({ query, variables: { after } })
  await graphql(sender.token, sendMessage, { chat, content: 'one' })
  assert.ok((await stopped.next()).value.data)
  await stopped.return()
  await graphql(sender.token, sendMessage, { chat, content: 'two' })
  const got = []
  while (got.filter((operation) => operation === 'CHAT_MESSAGE_CREATED').length < 2) {
    got.push((await lasting.next()).value.data.events.operation)
  }
  await client.dispose()
})

check('the client’s pings are answered', async () => {
  const user = await newUser()
  let client
  await new Promise((resolve) => {
    client = connect({ token: user.token }, { lazy: false, keepAlive: 50, on: { pong: (received) => received && resolve() } })
  })
  await client.dispose()
})

check('a bad token closes with 4403', async () => {
  const client = connect({ token: 'nonsense' }, { shouldRetry: () => false, retryAttempts: 0 })
  const closed = await refusal(client, { query: '{ me { id } }' })
  assert.equal(closed.code, 4403)
})

// closing sends frames unchanged and returns the server's close code.
function closing(frames, protocol = 'graphql-transport-ws') {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(ws, protocol)
    socket.on('error', reject)
    socket.on('close', resolve)
    socket.on('open', () => frames.forEach((frame) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame))))
  })
}

const init = { type: 'connection_init' }
const codes = {
  'a message that is no JSON': [4400, ['{']],
  'a message of no known type': [4400, [init, { type: 'nonsense' }]],
  'a subscribe without a query': [4400, [init, { type: 'subscribe', id: '1', payload: {} }]],
  'a subscribe before the acknowledgement': [4401, [{ type: 'subscribe', id: '1', payload: { query: '{ me { id } }' } }]],
  'no connection_init': [4408, []],
  'a second connection_init': [4429, [init, init]],
}
for (const [what, [code, frames]] of Object.entries(codes)) {
  check(`${what} closes with ${code}`, async () => assert.equal(await closing(frames), code))
}

check('an id that is in use closes with 4409', async () => {
  const { token } = await newUser()
  const subscribe = { type: 'subscribe', id: '1', payload: { query: 'subscription { subscribe { success } }' } }
  const code = await new Promise((resolve, reject) => {
    const socket = new WebSocket(ws, 'graphql-transport-ws')
    socket.on('error', reject)
    socket.on('close', resolve)
    socket.on('open', () => socket.send(JSON.stringify({ ...init, payload: { token } })))
    // Sends once after the acknowledgement and again after the first result.
    socket.on('message', () => socket.send(JSON.stringify(subscribe)))
  })
  assert.equal(code, 4409)
})

check('a client without the subprotocol is closed with 4406', async () => {
  assert.equal(await closing([], []), 4406)
})

await runAll('graphql-ws')
