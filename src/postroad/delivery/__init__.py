"""From the log to the destinations: one worker an account, and what became of every event.

An event on its way to one destination is an *item* (`items.py`). Its states, and who moves it:

    unread     in the log, above the account's cursor
       │  backlog.py reads blocks, router.py applies filters, shape and `takes`
       ├────────────────────────────────► settled   filtered, expired, lost
    fresh      never sent; waits in the backlog
       │  queue.py gathers fresh items and due retries in a lane each, until full or `linger` has passed
    gathered   in a batch that is not full yet
       │  frozen.py writes the batch down first, where a destination names files by it (Parquet): *frozen*
    held       in a batch that waits for the rate limit (rate.py)
       │  worker.py, while the breaker (breaker.py) is closed; else only a probe (probes.py) goes out
    sent       under way; sender.py asks the destination, verdict.py judges its result
       ├──── delivered, dead ───────────► settled   settler.py writes outcomes, progress.py moves the cursor
       └──── try again ─┐
    retry      a row in the ledger, due at some time; retries.py reads it when the alarm (alarm.py) goes off,
               and from then on it is *expected*: its row says nothing any more until its new outcome is written

A frozen batch goes through `sent` whole, as often as it takes, until all of its items can be settled.
"""
