// Package realtime delivers chat and group events to online users. A [Hub] follows the [Log] that a
// store keeps and gives each user the events that they may see.
//
//	hub := realtime.NewHub(store, nil)
//	go hub.Run(ctx)
//
//	sub, err := hub.Subscribe(ctx, alice, "")
//	defer sub.Close()
//	for event, err := range sub.Events(ctx) { … }
//
// The log has one [Record] for each event, written in the same commit as the change. A record holds
// references, never content. Delivery decides what an event shows and whether its recipient may see
// it, live and on a resume alike. So a replay leaves out a message that was unsent in the meantime.
// A user who left a group gets the event that they left, and nothing after it.
//
// # Order
//
// Within a conversation, events come in commit order. Between conversations there is no order:
// transactions do not commit in the order of their record ids, and the hub waits for none of them.
// An open record (its id is drawn, its transaction has not ended) delays no other event. It is
// delivered once it is committed. Only the cursor waits for it.
//
// # Cursors
//
// The cursor of an event is the [Position] of its record, or a lower one while a record below it is
// open. A subscription that resumes after the cursor gets every event that it did not get before.
// It may get an event again, with the same ID, right after the resume. A cursor that is older than
// the log, or that belongs to another log, is an error.
//
// # Slow consumers
//
// A slow consumer never delays another one. A subscription queues [Options.Queue] events and ends
// with [ErrSlowConsumer] when there are more; its consumer then resumes. A resume reads the log in
// pages, at the consumer's speed, and joins the live events once it has caught up. After an outage
// the hub itself may be late, with more events at once than a queue holds. Then the subscription
// does not end: it resumes by itself.
package realtime
