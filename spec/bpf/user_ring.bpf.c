// SPDX-License-Identifier: MIT
/* A consumer of a user ring buffer, to be driven by test runs. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} commands SEC(".maps");

struct command {
	__u64 number;
	char name[8];
};

struct command *unused_command;

volatile __u64 samples, sum;
volatile __u32 last_size;
char last_name[8];

static long on_sample(struct bpf_dynptr *sample, void *context)
{
	struct command command = {};

	samples++;
	if (bpf_dynptr_read(&command, sizeof(command), sample, 0, 0) < 0)
		return 0;
	sum += command.number;
	__builtin_memcpy(last_name, command.name, sizeof(last_name));
	return 0;
}

/* Returns how many samples were drained. */
SEC("tc")
int drain(struct __sk_buff *skb)
{
	return (int)bpf_user_ringbuf_drain(&commands, on_sample, NULL, 0);
}

char LICENSE[] SEC("license") = "GPL";
