/* SPDX-License-Identifier: MIT */
/* variants: nodebug bigendian */
/* Global variables of every type and section, read and written by programs and by Lua. */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

enum color { RED, GREEN = 5, BLUE };

struct padded {
	__u8 small;
	__u64 large;
	__u16 last;
};

/* .data */
__u8 u8 = 200;
__s8 s8 = -100;
__u16 u16 = 60000;
__s16 s16 = -30000;
__u32 u32 = 4000000000;
__s32 s32 = -2000000000;
__u64 u64 = 18000000000000000000ULL;
__s64 s64 = -9000000000000000000LL;
bool yes = true;
char text[16] = "hello";
unsigned char raw[5] = {1, 2, 3, 0, 5};
enum color color = GREEN;
struct padded padded = {.small = 1, .large = 2, .last = 3};
__u32 array[3] = {10, 20, 30};
struct padded structs[2] = {{1, 2, 3}, {4, 5, 6}};
__attribute__((weak)) __u32 weak = 7;
__attribute__((visibility("hidden"))) __u32 hidden = 8;
static volatile __u32 private = 9;

/* .bss */
__u64 runs;
__u32 large[2048];
__u64 seen[8];

/* Sections of their own. */
__u32 own SEC(".data.own") = 41;
__u64 own_zero SEC(".bss.own");
const volatile __u32 own_constant SEC(".rodata.own") = 51;

/* Only static ones are in here, as spin locks and the like would be. */
static volatile __u32 alone SEC(".data.alone") = 3;

/* .rodata */
const volatile __u32 constant = 61;
const volatile struct padded constants = {.small = 7, .large = 8, .last = 9};
const volatile bool broken = true;

/* Looks at everything, and tells what it saw. */
SEC("xdp")
int look(struct xdp_md *ctx)
{
	seen[0] = u8 + s8 + u16 + s16;
	seen[1] = (__u64)u32 + s32;
	seen[2] = u64;
	seen[3] = s64;
	seen[4] = yes + text[0] + raw[4] + color;
	seen[5] = padded.small + padded.large + padded.last + array[2] + structs[1].large;
	seen[6] = weak + hidden + private + own + own_constant + alone;
	seen[7] = constant + constants.large + large[2047];
	return 0;
}

/* Changes everything that can be. */
SEC("xdp")
int change(struct xdp_md *ctx)
{
	runs++;
	u8++;
	s8--;
	u16++;
	s16--;
	u32++;
	s32--;
	u64++;
	s64--;
	yes = !yes;
	text[0] = 'j';
	raw[4]++;
	color = BLUE;
	padded.large += 40;
	array[1]++;
	structs[0].last++;
	weak++;
	own++;
	own_zero += 2;
	large[2047] = runs;
	return hidden + private;
}

/* The verifier takes this only when it knows that the constant is false. */
SEC("xdp")
int pruned(struct xdp_md *ctx)
{
	int result = 2;

	if (broken)
		asm volatile("r9 = r10; r9 += 8; %0 = *(u64 *)(r9 + 0)" : "=r"(result)::"r9");
	return result;
}

char LICENSE[] SEC("license") = "GPL";
