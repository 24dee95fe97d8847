#include "test.h"

#include "fault-script.h"

static evpipe__fault_script script;
static evpipe_error         error;

static evpipe_err read_script(const char *text)
{
	evpipe__fault_script_release(&script);
	error.text[0] = '\0';
	return evpipe__fault_script_init(&script, text, 1, &error);
}

static int release(void **state)
{
	(void)state;
	evpipe__fault_script_release(&script);
	return 0;
}

/* How often a rule strikes in so many sends. */
static unsigned strikes(unsigned sends, const char *topic)
{
	unsigned count = 0;
	for (unsigned i = 0; i < sends; i++)
		count += evpipe__fault_script_strike(&script, EVPIPE__FAULT_AT_SEND, topic, -1, i) != NULL;
	return count;
}

static void test_fault_script__every_fault_can_be_written(void **state)
{
	(void)state;
	assert_int_equal(read_script("# a comment; and more of it\n"
				     "queue-full\n"
				     "\n"
				     "fail EVPIPE_ETOOLARGE topic=a.b  # why\n"
				     "  lose-send\trate=0.01% ;; double times=always; lose-ack after=10 times=3\r\n"
				     "delay-ack 200ms rate=5%; refuse-commit EVPIPE_EDENIED times=2\n"
				     "double-record partition=3; stall 5s; lose-partition; lose-partition 2m partition=0\n"
				     "revoke-partition 1h from=10s until=1m\n"
				     "away 1d from=0s;"),
			 EVPIPE_OK);
	assert_int_equal(script.count, 13);
	assert_int_equal(script.rules[1].err, EVPIPE_ETOOLARGE);
	assert_string_equal(script.rules[1].topic, "a.b");
	assert_int_equal(script.rules[1].times, 1);
	assert_int_equal(script.rules[2].rate, 100);
	assert_true(script.rules[2].times == UINT64_MAX);
	assert_int_equal(script.rules[4].after, 10);
	assert_int_equal(script.rules[4].times, 3);
	assert_int_equal(script.rules[5].duration_ms, 200);
	assert_int_equal(script.rules[9].duration_ms, 1000);
	assert_int_equal(script.rules[10].duration_ms, 120000);
	assert_int_equal(script.rules[10].partition, 0);
	assert_int_equal(script.rules[11].from_ms, 10000);
	assert_int_equal(script.rules[11].until_ms, 60000);
	assert_int_equal(script.rules[12].duration_ms, 86400000);
	assert_true(evpipe__fault_script_has(&script, EVPIPE__FAULT_AWAY));
}

static void test_fault_script__a_mistake_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} mistakes[] = {
		{"loose-ack", "line 1: 'loose-ack': no such fault; there are queue-full, fail"},
		{"double\n\n# x\nlose-ack tims=3", "line 4: 'tims=3': no such option; there are topic="},
		{"double; delay-ack", "line 1: 'delay-ack': for how long?"},
		{"delay-ack 5", "'5': a duration is needed"},
		{"delay-ack 0s", "'0s': a duration is needed"},
		{"delay-ack soon", "'soon': a duration is needed"},
		{"delay-ack 99999999999999999999s", "a duration is needed"},
		{"fail EVPIPE_EMUCH", "'EVPIPE_EMUCH': an error code is needed"},
		{"fail EVPIPE_OK", "'EVPIPE_OK': an error code is needed"},
		{"lose-ack 3", "'3': this fault takes no argument"},
		{"fail EVPIPE_EIO 3", "'3': options are written name=value"},
		{"lose-ack times=0", "'times=0': a number from 1"},
		{"lose-ack times=-1", "'times=-1': a number from 1"},
		{"lose-ack after=x", "'after=x': a number from 0"},
		{"lose-ack rate=5", "'rate=5': a percentage"},
		{"lose-ack rate=0%", "'rate=0%': a percentage"},
		{"lose-ack rate=100.1%", "'rate=100.1%': a percentage"},
		{"lose-ack rate=1.%", "'rate=1.%': a percentage"},
		{"lose-ack rate=0.00001%", "'rate=0.00001%': a percentage"},
		{"lose-ack topic=", "'topic=': the name of a topic is missing"},
		{"lose-ack partition=1", "'partition=1': this fault cannot be limited by that"},
		{"refuse-commit topic=a", "'topic=a': this fault cannot be limited by that"},
		{"away 5s times=2", "'times=2': this fault cannot be limited by that"},
		{"stall 1s partition=x", "'partition=x': a number from 0"},
		{"stall 1s partition=2147483648", "a number from 0"},
		{"double from=5s until=5s", "'double': until= has to be after from="},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
		assert_int_equal(read_script(mistakes[i].text), EVPIPE_ECONFIG);
		if (!strstr(error.text, mistakes[i].says))
			fail_msg("'%s' is told as: %s", mistakes[i].text, error.text);
		assert_int_equal(error.code, EVPIPE_ECONFIG);
	}
}

static void test_fault_script__there_is_a_limit(void **state)
{
	static char text[70000];

	(void)state;
	memset(text, ' ', sizeof text - 1);
	assert_int_equal(read_script(text), EVPIPE_ECONFIG);
	text[0] = '\0';
	for (int i = 0; i < EVPIPE__FAULT_RULES_MAX; i++)
		strcat(text, "double\n");
	assert_int_equal(read_script(text), EVPIPE_OK);
	strcat(text, "double\n");
	assert_int_equal(read_script(text), EVPIPE_ECONFIG);
	assert_non_null(strstr(error.text, "line 257: more than 256 rules"));
}

static void test_fault_script__rules_count_what_fits_them(void **state)
{
	(void)state;
	assert_int_equal(read_script("lose-ack after=10 times=3 topic=a"), EVPIPE_OK);
	assert_int_equal(strikes(100, "b"), 0);
	assert_int_equal(strikes(10, "a"), 0);
	assert_int_equal(strikes(3, "a"), 3);
	assert_int_equal(strikes(100, "a"), 0);
	assert_int_equal(read_script("lose-ack from=10ms until=30ms times=always"), EVPIPE_OK);
	assert_int_equal(strikes(100, "a"), 20);
	assert_int_equal(read_script(""), EVPIPE_OK);
	assert_int_equal(strikes(100, "a"), 0);
	/* One that came second is not used up. */
	assert_int_equal(read_script("lose-ack; double times=2"), EVPIPE_OK);
	assert_int_equal(strikes(100, "a"), 3);
}

static void test_fault_script__rates_are_drawn_from_the_seed(void **state)
{
	evpipe__fault_script same = {0}, other = {0};
	unsigned             differ = 0;

	(void)state;
	assert_int_equal(evpipe__fault_script_init(&same, "double; lose-ack rate=10%", 1, NULL), EVPIPE_OK);
	assert_int_equal(evpipe__fault_script_init(&other, "double; lose-ack rate=10%", 2, NULL), EVPIPE_OK);
	assert_int_equal(read_script("double; lose-ack rate=10%"), EVPIPE_OK);
	unsigned struck = 0;
	for (int i = 0; i < 10000; i++) {
		int a = evpipe__fault_script_strike(&script, EVPIPE__FAULT_AT_SEND, "t", -1, 0) != NULL;
		int b = evpipe__fault_script_strike(&same, EVPIPE__FAULT_AT_SEND, "t", -1, 0) != NULL;
		int c = evpipe__fault_script_strike(&other, EVPIPE__FAULT_AT_SEND, "t", -1, 0) != NULL;
		assert_int_equal(a, b);
		differ += a != c;
		struck += (unsigned)a;
	}
	assert_in_range(struck, 800, 1200);
	assert_true(differ > 800);
	evpipe__fault_script_release(&same);
	evpipe__fault_script_release(&other);
}

static void test_fault_script__none_is_a_mix_of_all_that_can_be_drawn(void **state)
{
	(void)state;
	assert_int_equal(read_script(NULL), EVPIPE_OK);
	for (int action = 0; action < EVPIPE__FAULT_AWAY; action++)
		assert_true(evpipe__fault_script_has(&script, (evpipe__fault_action)action));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_fault_script__every_fault_can_be_written, release),
		cmocka_unit_test_teardown(test_fault_script__a_mistake_is_told_with_its_line, release),
		cmocka_unit_test_teardown(test_fault_script__there_is_a_limit, release),
		cmocka_unit_test_teardown(test_fault_script__rules_count_what_fits_them, release),
		cmocka_unit_test_teardown(test_fault_script__rates_are_drawn_from_the_seed, release),
		cmocka_unit_test_teardown(test_fault_script__none_is_a_mix_of_all_that_can_be_drawn, release),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
