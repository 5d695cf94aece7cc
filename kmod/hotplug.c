// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUs that come and go. A channel belongs to CPUs for good: when the last of
 * them is offline nothing new is submitted to it, and what is in flight is
 * still served, by threads that the scheduler moved away. The daemon is told.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>

#include "ring.h"

static LIST_HEAD(rfuse_hotplug_conns);
static DEFINE_MUTEX(rfuse_hotplug_lock);
static int rfuse_hotplug_state;

/* Whether a CPU other than @except submits to the channel. */
static bool rfuse_has_cpu(struct rfuse_conn *conn, u32 index, int except)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		if (cpu % conn->nchannels == index && (int)cpu != except)
			return true;
	return false;
}

static void rfuse_set_online(struct rfuse_channel *c, bool online)
{
	spin_lock(&c->lock);
	WRITE_ONCE(c->online, online);
	WRITE_ONCE(c->control->online, online);
	rfuse_event(c);
	spin_unlock(&c->lock);
	rfuse_notify(c);
}

static int rfuse_cpu_online(unsigned int cpu)
{
	struct rfuse_conn *conn;

	mutex_lock(&rfuse_hotplug_lock);
	list_for_each_entry(conn, &rfuse_hotplug_conns, entry)
		rfuse_set_online(conn->channels[cpu % conn->nchannels], true);
	mutex_unlock(&rfuse_hotplug_lock);
	return 0;
}

static int rfuse_cpu_offline(unsigned int cpu)
{
	struct rfuse_conn *conn;

	mutex_lock(&rfuse_hotplug_lock);
	list_for_each_entry(conn, &rfuse_hotplug_conns, entry) {
		u32 index = cpu % conn->nchannels;

		if (!rfuse_has_cpu(conn, index, cpu))
			rfuse_set_online(conn->channels[index], false);
	}
	mutex_unlock(&rfuse_hotplug_lock);
	return 0;
}

void rfuse_hotplug_add(struct rfuse_conn *conn)
{
	u32 i;

	cpus_read_lock();
	mutex_lock(&rfuse_hotplug_lock);
	for (i = 0; i < conn->nchannels; i++)
		rfuse_set_online(conn->channels[i], rfuse_has_cpu(conn, i, -1));
	list_add(&conn->entry, &rfuse_hotplug_conns);
	mutex_unlock(&rfuse_hotplug_lock);
	cpus_read_unlock();
}

void rfuse_hotplug_del(struct rfuse_conn *conn)
{
	mutex_lock(&rfuse_hotplug_lock);
	list_del_init(&conn->entry);
	mutex_unlock(&rfuse_hotplug_lock);
}

int rfuse_hotplug_init(void)
{
	rfuse_hotplug_state =
		cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "fs/rfuse:online",
					  rfuse_cpu_online, rfuse_cpu_offline);
	return rfuse_hotplug_state < 0 ? rfuse_hotplug_state : 0;
}

void rfuse_hotplug_exit(void)
{
	cpuhp_remove_state_nocalls(rfuse_hotplug_state);
}
