/*
 * Self-test of the histogram: answers known beforehand, exact below 32 ns and within 1.6 % above.
 */
#include "load.h"

static void expect(int holds, const char *what)
{
	if (!holds)
		fail(0, "self-test: %s", what);
}

static int near(uint64_t got, uint64_t want)
{
	uint64_t distance = got > want ? got - want : want - got;

	return distance <= want / 1000 * 16 + want % 1000 * 16 / 1000;
}

void self_test(void)
{
	static struct histogram h, one, both;

	expect(histogram_permille(&h, 500) == 0, "an empty histogram has percentile 0");
	for (uint64_t value = 1; value < 1ull << 62; value += value / 7 + 1)
		expect(near(histogram_middle(histogram_index(value)), value), "a bucket holds values within 1.6 %");
	expect(histogram_index(UINT64_MAX) == HISTOGRAM_BUCKETS - 1, "the largest value has the last bucket");
	for (uint64_t value = 1; value <= 20; value++)
		histogram_add(&h, value);
	expect(histogram_permille(&h, 500) == 10, "the median of 1..20 is 10");
	expect(histogram_permille(&h, 990) == 20, "p99 of 1..20 is 20");
	for (uint64_t value = 1; value <= 100000; value++)
		histogram_add(&one, value * 1000);
	expect(near(histogram_permille(&one, 500), 50000000), "the median of 1..100000 us");
	expect(near(histogram_permille(&one, 990), 99000000), "p99 of 1..100000 us");
	expect(near(histogram_permille(&one, 999), 99900000), "p999 of 1..100000 us");
	expect(histogram_permille(&one, 1000) <= one.max, "no percentile exceeds the maximum");
	histogram_merge(&both, &h);
	histogram_merge(&both, &one);
	expect(both.count == 100020 && both.max == one.max, "a merge keeps count and maximum");
	expect(histogram_permille(&both, 0) == 1, "a merge keeps the smallest");
}
