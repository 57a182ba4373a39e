/* SPDX-License-Identifier: MIT */
/* variants: bigendian
 * Types of each kind that clang makes of C, with layouts that are easy to get wrong. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define TAG(x) __attribute__((btf_decl_tag(x)))

enum color { RED, GREEN = 7, BLUE = -3 };
enum plain { ZERO, MANY = 0xffffffff };
enum wide { NARROW = 1, WIDE = 0x123456789abcdefLL };
enum wide_signed { LEAST = -0x123456789abcdefLL, MOST = 5 };
enum tiny { TINY_A, TINY_B } __attribute__((packed));

struct announced;
union announced_union;

struct bits {
	unsigned int a : 3;
	int b : 5;
	unsigned int : 4;
	unsigned long long c : 40;
	char d;
	unsigned short e : 9;
};

struct __attribute__((packed)) squeezed {
	char a;
	long long b;
	short c;
	unsigned int d : 30;
	unsigned int e : 30;
};

struct aligned {
	char a;
	int b __attribute__((aligned(32)));
	char c;
} __attribute__((aligned(64)));

struct outer {
	struct {
		int x;
		union {
			long long y;
			char z[3];
		};
	};
	union {
		struct {
			char first, second;
		} pair;
		short both;
	} __attribute__((packed)) u;
	struct bits bits;
	struct squeezed squeezed;
	struct aligned aligned;
	const volatile int *const restricted;
	int matrix[3][5];
	struct outer *self;
	struct announced *other;
	union announced_union *other_union;
	int (*callback)(struct outer *self, const char *name, ...);
	void (*(*getter)(int))(void);
	int (*row)[4];
	_Bool flag;
	enum color color : 4;
	enum wide wide;
	enum wide_signed wide_signed;
	enum plain plain;
	enum tiny tiny;
	unsigned __int128 huge;
	double real;
	float small;
	const char *const names[2];
	char tail[];
};

typedef struct outer outer_t TAG("typedef");
typedef int (*handler_t)(outer_t *, enum color);
typedef struct {
	handler_t handler;
	void *restrict pointer;
} unnamed_t;

struct flavoured___old {
	int a TAG("member");
};

struct flavoured___new {
	long long a;
};

union empty_tail {
	int a;
	char b[7];
} __attribute__((aligned(16)));

int counter = 1;
static volatile long long hidden;
struct outer whole;
unnamed_t unnamed;
struct flavoured___old old;
struct flavoured___new new;
union empty_tail empty_tail;
enum tiny tiny;

__attribute__((noinline)) int twice(int argument TAG("argument"))
{
	return argument * 2 + counter;
}

SEC("socket")
int use(struct __sk_buff *skb)
{
	hidden += twice(skb->len);
	return whole.color + unnamed.handler(0, RED);
}

char _license[] SEC("license") = "MIT";
