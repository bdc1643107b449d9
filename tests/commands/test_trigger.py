"""`relay trigger`: a sync is triggered by hand."""


class TestTrigger:
    def test_has_a_worker_trigger_a_sync(self, command, relay, sandbox, here):
        told = command("trigger", "5123", **here)
        assert told.stdout == "sync 5123: a worker will trigger it, see `relay status`\n"
        relay.tick(1)
        relay.work()
        (run,) = sandbox.census.sync_runs
        assert (run.sync_id, run.full_sync) == (5123, False)

    def test_may_send_all_records(self, command, relay, sandbox, here):
        command("trigger", "5123", "--full-sync", **here)
        relay.tick(1)
        relay.work()
        assert sandbox.census.sync_runs[0].full_sync

    def test_waits_for_the_open_sync_run(self, command, relay, sandbox, here):
        for _ in range(3):
            command("trigger", "5123", **here)
            relay.tick(1)
            relay.work()
        (run,) = sandbox.census.sync_runs
        sandbox.census.finish(run.sync_run_id)
        relay.work_for(16)
        assert len(sandbox.census.sync_runs) == 2

    def test_exits_with_2_for_an_unknown_workspace(self, command, here):
        told = command("trigger", "5123", "--workspace", "apac", **here)
        assert told.exit_code == 2
        assert "'apac' is not one of default" in told.stderr
