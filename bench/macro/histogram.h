/*
 * Latency histogram of the load generator: buckets of equal ratio, 32 per power of two, so that a reported value is
 * within 1.6 % of the measured one. Values are nanoseconds. No allocation, no locks: one writer per histogram.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEP_BITS 5
#define HISTOGRAM_STEPS (1u << HISTOGRAM_STEP_BITS)
/* Values below HISTOGRAM_STEPS have a bucket each; every higher power of two up to 2^63 has HISTOGRAM_STEPS. */
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS)

struct histogram {
	uint64_t count;
	uint64_t max;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

static inline unsigned int histogram_index(uint64_t value)
{
	unsigned int shift;

	if (value < HISTOGRAM_STEPS)
		return value;
	shift = 63 - __builtin_clzll(value) - HISTOGRAM_STEP_BITS;
	return (shift + 1) * HISTOGRAM_STEPS + ((value >> shift) & (HISTOGRAM_STEPS - 1));
}

/* The middle of a bucket: the inverse of histogram_index() up to half a bucket. */
static inline uint64_t histogram_middle(unsigned int index)
{
	unsigned int shift;
	uint64_t low;

	if (index < HISTOGRAM_STEPS)
		return index;
	shift = index / HISTOGRAM_STEPS - 1;
	low = (uint64_t)(HISTOGRAM_STEPS + index % HISTOGRAM_STEPS) << shift;
	return low + ((1ull << shift) >> 1);
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
	h->bucket[histogram_index(value)]++;
	h->count++;
	if (value > h->max)
		h->max = value;
}

static inline void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
	into->count += from->count;
	if (from->max > into->max)
		into->max = from->max;
}

/* The smallest value that at least `parts` of 10000 values do not exceed; 0 when empty. */
static inline uint64_t histogram_fraction(const struct histogram *h, unsigned int parts)
{
	uint64_t rank = (h->count * parts + 9999) / 10000;
	uint64_t seen = 0;

	if (parts >= 10000)
		return h->max;
	if (rank == 0)
		rank = 1;
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t middle;

		seen += h->bucket[i];
		if (seen < rank)
			continue;
		middle = histogram_middle(i);
		return middle < h->max ? middle : h->max;
	}
	return 0;
}

/* The same in parts of 1000. */
static inline uint64_t histogram_permille(const struct histogram *h, unsigned int permille)
{
	return histogram_fraction(h, permille * 10);
}

#endif
