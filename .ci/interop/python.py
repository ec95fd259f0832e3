"""Runs the client of docs/clients.md in Python against a server whose access tokens live for two seconds:

python python.py http://127.0.0.1:8081/graphql
"""

import asyncio
import pathlib
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parent / "clients"))

from chat import Login, connect, events  # noqa: E402
from gql import gql  # noqa: E402

url = sys.argv[1].replace("http", "ws", 1)

CREATE = gql(
    """mutation ($name: String!, $email: String!, $password: String!, $number: String!) {
      createUser(username: $name, email: $email, password: $password, firstName: "First", lastName: "Last",
        phoneNumber: {countryCode: "999", number: $number}) { user { id } }
    }"""
)


async def main():
    name, password = f"u{uuid.uuid4().hex}", str(uuid.uuid4())
    number = str(uuid.uuid4().int)[:14]
    async with connect(url) as session:
        await session.execute(
            CREATE,
            variable_values={"name": name, "email": f"{name}@example.com", "password": password, "number": number},
        )
    login = await Login.of(url, name, password)
    writer = await Login.of(url, name, password)
    async with connect(url, writer.token) as session:
        cursor = (await session.execute(gql("{ eventCursor }")))["eventCursor"]
        chat = (await session.execute(gql("mutation { createSelfChat { chat { id } } }")))["createSelfChat"]["chat"]["id"]

    first_token = login.token
    sent = 0

    async def write():
        nonlocal sent
        send = gql(
            """mutation ($chat: ID!, $content: String!) {
              createChatMessage(chatId: $chat, content: $content) { chatMessage { id } }
            }"""
        )
        while login.token == first_token or sent < 3:
            await writer.refresh()
            async with connect(url, writer.token) as session:
                await session.execute(send, variable_values={"chat": chat, "content": str(sent)})
            sent += 1
            await asyncio.sleep(0.1)

    got = []

    async def read():
        async for event in events(login, cursor):
            if event["operation"] != "CHAT_MESSAGE_CREATED":
                continue
            content = event["chatMessage"]["message"]["content"]
            if content not in got:
                got.append(content)

    reading = asyncio.create_task(read())
    await write()
    while len(got) < sent and not reading.done():
        await asyncio.sleep(0.02)
    if reading.done():
        reading.result()
    reading.cancel()
    assert got == [str(i) for i in range(sent)], got
    assert login.token != first_token
    print("python: 1 passed, 0 failed")


asyncio.run(asyncio.wait_for(main(), 60))
