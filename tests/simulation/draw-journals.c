/*
 * Journals that outlive their process, and what befalls them. All of it is drawn from streams of its own.
 */
#include "plan.h"

#include "chance.h"

static void draw_journal(const struct plan *plan, struct journal_plan *journal, uint32_t app)
{
	static const enum durability durabilities[] = {DURABILITY_MEMORY,  DURABILITY_PROCESS, DURABILITY_PROCESS,
	                                               DURABILITY_DISK, DURABILITY_DISK};
	struct chance chance;
	chance_init(&chance, plan->seed, "journal", app);
	/* One of plain memory adopts what others have left, too. */
	journal->host = (uint32_t)chance_between(&chance, 0, plan->apps - 1);
	journal->durability = CHANCE_PICK(&chance, durabilities);
	journal->size = 4 * (int64_t)plan->event_max << chance_between(&chance, 0, 3);
	if (journal->size < 8192)
		journal->size = 8192;
	journal->sync_ms = chance_scaled(&chance, 5, 1000);
	journal->spool_size = chance_of(&chance, 300) ? 0 : chance_scaled(&chance, 65536, 8 << 20);
}

/* A third of the seeds has memory alone, and those that look at one destination: nobody dies in them. */
void plan_draw_journals(struct plan *plan)
{
	struct chance chance;
	chance_init(&chance, plan->seed, "journals", 0);
	int have_any = plan->theme != THEME_ISOLATION && chance_of(&chance, 670);
	for (uint32_t i = 0; i < plan->apps; i++) {
		plan->journals[i] = (struct journal_plan){.host = HOST_NONE};
		if (have_any)
			draw_journal(plan, &plan->journals[i], i);
	}
}

static void draw_fault(const struct plan *plan, struct fault *fault, enum fault_kind kind, struct chance *chance)
{
	fault->kind = kind;
	fault->at_ms = chance_between(chance, 0, plan->load_end_ms + 2000);
	fault->for_ms = chance_scaled(chance, 10, 8000);
	fault->after = (uint32_t)chance_scaled(chance, 1, 200) - 1;
	uint32_t app = (uint32_t)chance_between(chance, 0, plan->apps - 1);
	if (kind != FAULT_BROKER_AWAY)
		fault->target = kind == FAULT_KILL_APP ? app : plan->journals[app].host;
}

size_t plan_draw_journal_faults(const struct plan *plan, struct fault *faults)
{
	static const struct {
		enum fault_kind kind;
		int64_t         least, most;
	} kinds[] = {{FAULT_KILL_APP, 1, 6},
	             {FAULT_CRASH_HOST, 0, 3},
	             {FAULT_BROKER_AWAY, 0, 1},
	             {FAULT_DISK_FULL, 0, 1},
	             {FAULT_DISK_FAILS, 0, 1}};
	struct chance chance;
	size_t        count = 0;

	if (plan->journals[0].host == HOST_NONE)
		return 0;
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		chance_init(&chance, plan->seed, "journal faults", k);
		for (int64_t left = chance_between(&chance, kinds[k].least, kinds[k].most); left > 0; left--)
			draw_fault(plan, &faults[count++], kinds[k].kind, &chance);
	}
	return count;
}
