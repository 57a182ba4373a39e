// SPDX-License-Identifier: GPL-2.0
/* Options that no kernel has, and other things to be missed. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern const int CONFIG_SPEC_LEVEL __kconfig;
extern const char CONFIG_SPEC_NAME[8] __kconfig;
extern const _Bool CONFIG_SPEC_OPTIONAL __kconfig __weak;
extern const void spec_no_such_symbol __ksym;
extern const void spec_optional_symbol __ksym __weak;
extern const int spec_no_such_variable __ksym;
extern int spec_no_such_kfunc(int x) __ksym;

SEC("tc")
int options(struct __sk_buff *skb)
{
	return CONFIG_SPEC_LEVEL + CONFIG_SPEC_NAME[0] + CONFIG_SPEC_OPTIONAL;
}

SEC("tc")
int symbols(struct __sk_buff *skb)
{
	return (long)&spec_no_such_symbol + (long)&spec_optional_symbol;
}

SEC("tc")
int typed(struct __sk_buff *skb)
{
	return (long)&spec_no_such_variable + spec_no_such_kfunc(1);
}

char LICENSE[] SEC("license") = "GPL";
