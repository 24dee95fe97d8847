/*
 * Run a target over the files of its corpus, or over those that are named: for builds without a fuzzer.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>

static void replay(const char *path)
{
	static uint8_t bytes[1 << 20];
	FILE          *file = fopen(path, "re");
	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	size_t len = fread(bytes, 1, sizeof bytes, file);
	fclose(file);
	/* To its exact size, so that a sanitizer sees what looks beyond. */
	uint8_t *copy = malloc(len ? len : 1);
	MUST(copy);
	memcpy(copy, bytes, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

/* tests/fuzz/corpus/NAME for a program fuzz_NAME. */
static unsigned replay_corpus(const char *program)
{
	const char *srcdir = getenv("srcdir"), *name = strrchr(program, '/');
	char        directory[4096], path[8192];
	unsigned    count = 0;

	name = name ? name + 1 : program;
	name = strstr(name, "fuzz_");
	MUST(name);
	snprintf(directory, sizeof directory, "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", name + sizeof "fuzz_" - 1);
	DIR *files = opendir(directory);
	if (!files) {
		fprintf(stderr, "%s: %s\n", directory, strerror(errno));
		return 0;
	}
	for (struct dirent *entry; (entry = readdir(files));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
		replay(path);
		count++;
	}
	closedir(files);
	return count;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++, count++)
		replay(argv[i]);
	if (argc == 1)
		count = replay_corpus(argv[0]);
	printf("%u inputs\n", count);
	return count ? 0 : 1;
}
