// Shared by all checks: a runner with a time limit for each check, and functions that create users.
import { randomUUID } from 'node:crypto'
import { Session } from './clients/session.mjs'

export const http = process.argv[2]
export const ws = socketOf(http)

// The address of a server whose access tokens live for two seconds.
export const brief = process.argv[3]

export function socketOf(url) {
  return url.replace(/^http/, 'ws')
}

const limit = 30_000 // milliseconds
const checks = []

export function check(name, run) {
  checks.push({ name, run })
}

// runAll runs the checks one after another and exits with status 1 if any failed.
export async function runAll(title) {
  let failed = 0
  for (const { name, run } of checks) {
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(reject, limit, new Error(`not done after ${limit} ms`))
    })
    try {
      await Promise.race([run(), late])
    } catch (error) {
      failed++
      console.log(`FAIL ${name}: ${error?.stack ?? JSON.stringify(error)}`)
    }
    clearTimeout(timer)
  }
  console.log(`${title}: ${checks.length - failed} passed, ${failed} failed`)
  process.exit(failed || !checks.length ? 1 : 0)
}

// graphql runs one operation over HTTP and returns its data.
export async function graphql(token, query, variables, url = http) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(JSON.stringify(errors))
  return data
}

// newUser registers a user and logs them in.
export async function newUser(url = http) {
  const password = randomUUID()
  const username = `u${randomUUID().replaceAll('-', '')}`
  const number = String(Math.floor(Math.random() * 1e14)).padStart(14, '1')
  const { createUser } = await graphql(
    null,
    `mutation ($username: String!, $email: String!, $password: String!, $number: String!) {
      createUser(username: $username, email: $email, password: $password, firstName: "First", lastName: "Last",
        phoneNumber: { countryCode: "999", number: $number }) { user { id } }
    }`,
    { username, email: `${username}@example.com`, password, number },
    url,
  )
  const { login } = await graphql(
    null,
    `mutation ($username: String!, $password: String!) { login(username: $username, password: $password) { token } }`,
    { username, password },
    url,
  )
  return { id: createUser.user.id, username, password, token: login.token }
}

// newSession registers a user and logs them in as the clients of docs/clients.md do.
export async function newSession(url = http) {
  const user = await newUser(url)
  return { user, session: await Session.login(url, user.username, user.password) }
}

// until waits until a condition holds.
export async function until(holds) {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

// newChat returns two users who share a chat, and the ids of the sender's and receiver's copies.
export async function newChat() {
  const [sender, receiver] = [await newUser(), await newUser()]
  const { createChat } = await graphql(
    sender.token,
    `mutation ($other: ID!) { createChat(otherUserId: $other) { chat { id } otherChat { id } } }`,
    { other: receiver.id },
  )
  return { sender, receiver, chat: createChat.chat.id, otherChat: createChat.otherChat.id }
}

export const sendMessage = `mutation ($chat: ID!, $content: String!) {
  createChatMessage(chatId: $chat, content: $content) { chatMessage { id message { content } } }
}`
