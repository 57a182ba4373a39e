/* SPDX-License-Identifier: GPL-2.0 */
/* Takes the place of a function of targets.bpf.c. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("freplace/replaceable")
int replacement(struct xdp_md *context)
{
	return 99;
}

char LICENSE[] SEC("license") = "GPL";
