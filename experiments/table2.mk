# Table 2 of the paper: make maestro DATA=FOLDER, make tut DATA=FOLDER [LISTS=IMOTO'S LISTS]. With DATA=synthetic and CLIPS=FOLDER OF CLIPS the
# data set is first mixed in the same layout (experiments/shaped_sets.py). Everything is a file below $(BUILD)/table2 that is made from
# others: spectrograms, a run for each system, fold and seed, what each run hears in its test part, scores, the table. What is there is not
# made again, and an interrupted run goes on where it was. FOLDS and SEEDS choose fewer or more; all folds of the data set by default.
# Events are named from the thresholds in each checkpoint (of the highest micro F1 on its validation part), or from THRESHOLD.

FOLDS ?=
MAX_EPOCHS ?= 200
EPOCH_STEPS ?= 50
BATCH ?= 32
PATIENCE ?= 50
SECONDS ?= 180
PER_SCENE ?= 0
SHAPE_SEED ?= 0
THRESHOLD ?=
MORE ?=
TABLE2 = $(BUILD)/table2
INIT_OPTION = $(if $(INIT),--init $(INIT))

maestro_FOLDS = $(or $(strip $(FOLDS)),1 2 3 4 5)
tut_FOLDS = $(or $(strip $(FOLDS)),1 2 3 4)
SIZES ?= $(if $(filter synthetic,$(DATA)),small tiny,base small)
maestro_SYSTEMS ?= $(foreach size,$(SIZES),htsat-$(size) htsat-$(size)-alone) crnn crnn-alone task4b joint cnn-bigru cnn
tut_SYSTEMS ?= $(maestro_SYSTEMS)

# The published settings of each system; HTS-AT from random weights needs a higher learning rate than from AudioSet's (INIT=CHECKPOINT)
HTSAT_RATE ?= $(if $(INIT),1e-4,1e-3)
WARMUP ?= 100
BASELINE_RATE ?= 2e-4
ALONE = --set contrastive_weight=0
HTSAT = --set learning_rate=$(HTSAT_RATE) --set warmup=$(WARMUP) $(INIT_OPTION)
htsat-base_SETTINGS = $(HTSAT)
htsat-base-alone_SETTINGS = $(HTSAT) $(ALONE)
htsat-small_SETTINGS = $(HTSAT) --set preset=small
htsat-small-alone_SETTINGS = $(htsat-small_SETTINGS) $(ALONE)
htsat-tiny_SETTINGS = $(HTSAT) --set preset=tiny
htsat-tiny-alone_SETTINGS = $(htsat-tiny_SETTINGS) $(ALONE)
crnn_SETTINGS = --set model=crnn --set preset=small --set learning_rate=1e-3 --set warmup=$(WARMUP)
crnn-alone_SETTINGS = $(crnn_SETTINGS) $(ALONE)
joint_SETTINGS = --recipe imoto --set learning_rate=$(BASELINE_RATE)
cnn-bigru_SETTINGS = $(joint_SETTINGS) --set model=cnn-bigru
cnn_SETTINGS = $(joint_SETTINGS) --set model=cnn
task4b_SETTINGS = --recipe task4b

.PHONY: maestro tut
.SECONDARY:

# $(1): maestro or tut. A run's folder is runs/SYSTEM/FOLD.SEED.
define table2
$(1)_DATA = $$(if $$(filter synthetic,$$(DATA)),$(TABLE2)/$(1)/data,$$(DATA))

$(TABLE2)/$(1)/data/made:
	$$(if $$(CLIPS),,$$(error DATA=synthetic needs CLIPS, a folder of clips to mix from))
	$$(BIN)/python experiments/shaped_sets.py $(1) $(TABLE2)/$(1)/data $$(CLIPS) --seconds $$(SECONDS) --per-scene $$(PER_SCENE) \
	  --seed $$(SHAPE_SEED) --cache $(TABLE2)/clips
	touch $$@

$(TABLE2)/$(1)/runs/%/model.safetensors: | $$(if $$(filter synthetic,$$(DATA)),$(TABLE2)/$(1)/data/made)
	$$(if $$(DATA),,$$(error make $(1) needs DATA: the folder of the data set, or synthetic and CLIPS))
	mkdir -p $$(@D)
	$$(BIN)/audiolog train $$($(1)_DATA) $$(if $$(LISTS),--lists $$(LISTS)) --fold $$(basename $$(*F)) --out $$(@D) \
	  --cache $(TABLE2)/$(1)/windows $$($$(patsubst %/,%,$$(*D))_SETTINGS) --set seed=$$(patsubst .%,%,$$(suffix $$(*F))) \
	  --set epochs=$$(MAX_EPOCHS) --set steps=$$(EPOCH_STEPS) --set batch_size=$$(BATCH) --set patience=$$(PATIENCE) $$(MORE) \
	  $$(if $$(wildcard $$(@D)/last.pt),--resume) >> $$(@D)/log.jsonl

$(TABLE2)/$(1)/runs/%/cells.tsv: $(TABLE2)/$(1)/runs/%/model.safetensors
	$$(BIN)/audiolog tag --quiet --files-from $$(@D)/test/files.txt --weights $$< $$(if $$(THRESHOLD),--threshold $$(THRESHOLD)) > $$@.partial
	mv $$@.partial $$@

# the folds of a seed are scored together, in one accumulator, as task 4B's baseline does
$(foreach system,$($(1)_SYSTEMS),$(foreach seed,$(SEEDS),$(eval $(call table2-score,$(1),$(system),$(seed)))))

$(1): $(foreach seed,$(SEEDS),$(foreach system,$($(1)_SYSTEMS),$(TABLE2)/$(1)/scores/$(system).$(seed).json))
	$$(BIN)/python experiments/table2.py $(1) $(TABLE2)/$(1)/scores $($(1)_SYSTEMS)
endef

# $(1): maestro or tut; $(2): system; $(3): seed
define table2-score
$(TABLE2)/$(1)/scores/$(2).$(3).json: $(foreach fold,$($(1)_FOLDS),$(TABLE2)/$(1)/runs/$(2)/$(fold).$(3)/cells.tsv)
	mkdir -p $$(@D)
	$$(BIN)/audiolog eval --quiet $$^ $$(foreach cells,$$^,--reference $$(dir $$(cells))test/events.tsv --reference $$(dir $$(cells))test/scenes.tsv) \
	  --labels $$(dir $$<)test/labels.txt --format json > $$@.partial
	mv $$@.partial $$@
endef

$(eval $(call table2,maestro))
$(eval $(call table2,tut))

maestro: ## Table 2, MAESTRO Real: DATA=FOLDER, or DATA=synthetic CLIPS=FOLDER
tut: ## Table 2, TUT with Imoto's labels: DATA=FOLDER [LISTS=FOLDER], or DATA=synthetic CLIPS=FOLDER
