"""Bounces that a real Exim writes, and hands over as contrib/recipes/exim-bounces says."""

from exim import Exim
from mta import FATES, Handover

WAYS = {"pipe.test": "stream", "lmtp.test": "lmtp"}


class Bounces(Handover):
    def setUp(self):
        super().setUp()
        self.begin(Exim(self.folder, self.conf, self.folder / "lmtp.sock"))

    def test_every_way_of_every_bounce_has_the_right_verdict(self):
        self.start()
        self.assert_verdicts(WAYS, FATES)

    def test_exim_keeps_what_redis_cannot_take_and_nothing_is_lost(self):
        self.start()
        # By LMTP, dsnd lets Exim wait for its answer.
        self.assert_kept_while_redis_is_away(WAYS, lambda: "T=bounces_queue defer" in self.mta.log())
