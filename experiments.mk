# Experiments: make weights, weights-eval, compare, own-sounds. DATA is a folder of folders with clips.tsv and audio, or of unpacked public
# data sets (experiments/public_clips.py lists them). TEACHER is an EfficientAT checkpoint (`audiolog weights pull mn04`): the default weights
# start from it, and it tags the windows that they learn from. Everything is kept below $(BUILD), and an interrupted run goes on where it was.
# Folders of clips named in WORLD are composed apart from the others.

BUILD ?= build
TEACHER ?= mn04.safetensors
CLIPS = $(or $(patsubst %/clips.tsv,%,$(wildcard $(DATA)/*/clips.tsv)),$(BUILD)/public)
CLIPS_TABLE = $(if $(wildcard $(DATA)/*/clips.tsv),,$(BUILD)/public/clips.tsv)
JOIN = --join experiments/joined_labels.tsv
MIX = $(BIN)/audiolog mix $(CLIPS) --cache $(BUILD)/cache $(JOIN)
WORLD ?= world
OLDER = $(filter-out $(addprefix %/,$(WORLD)),$(CLIPS))
FAR = $(filter $(addprefix %/,$(WORLD)),$(CLIPS))
COMPOSE = $(BIN)/audiolog mix --cache $(BUILD)/cache $(JOIN) --seconds $(RECORDING_SECONDS)
MATERIALS = older $(if $(FAR),world)
older_CLIPS = $(OLDER)
world_CLIPS = $(FAR)
POOL ?= 32000
POOL_VALIDATION ?= 800
POOL_EPOCHS ?= 35
TUNING_RECORDINGS ?= 40
RECORDINGS ?= 12
RECORDING_SECONDS ?= 300
TUNED_EVENTS ?=
export MINUTES ?= 10
EPOCHS ?= 10
STEPS ?= 200
WINDOWS ?= 8000
VALIDATION_WINDOWS ?= 600
SEEDS ?= 1 2 3
PRECISION ?= fp32
SYSTEMS = htsat htsat-alone crnn joint cnn-bigru cnn task4b

htsat_OPTIONS = --set preset=tiny --set learning_rate=1e-3
htsat-alone_OPTIONS = $(htsat_OPTIONS) --set contrastive_weight=0
crnn_OPTIONS = --set model=crnn --set preset=small --set learning_rate=1e-3
joint_OPTIONS = --recipe imoto --set weight_decay=0.05
cnn-bigru_OPTIONS = $(joint_OPTIONS) --set model=cnn-bigru
cnn_OPTIONS = $(joint_OPTIONS) --set model=cnn
task4b_OPTIONS = --recipe task4b --set weight_decay=0.05

.PHONY: own-sounds compare weights weights-eval

compare: $(foreach system,$(SYSTEMS),$(foreach seed,$(SEEDS),$(BUILD)/runs/$(system).$(seed)/model.safetensors)) ## the systems of Table 2 side by side on mixed windows (not the paper's data)
	$(BIN)/python experiments/compare.py $(BUILD)/runs $(SYSTEMS)

$(BUILD)/runs/%/model.safetensors: | $(BUILD)/plain/train/made $(BUILD)/plain/val/made
	mkdir -p $(@D)
	$(BIN)/audiolog train $(BUILD)/plain/train --validation $(BUILD)/plain/val --out $(@D) $($(basename $*)_OPTIONS) \
	  --set seed=$(patsubst .%,%,$(suffix $*)) --set epochs=$(EPOCHS) --set steps=$(STEPS) --set batch_size=16 --set warmup=100 \
	  --set gain_db=6 --set roll=true $(if $(wildcard $(@D)/last.pt),--resume) >> $(@D)/log.jsonl

$(BUILD)/public/clips.tsv:
	$(if $(DATA),,$(error DATA is missing: a folder of clips, or of public data sets))
	$(BIN)/python experiments/public_clips.py $(DATA) $(@D)

$(BUILD)/plain/train/made: | $(CLIPS_TABLE)
	$(MIX) --windows $(WINDOWS) --style plain --seed 1 --out $(@D) && touch $@

$(BUILD)/plain/val/made: | $(CLIPS_TABLE)
	$(MIX) --windows $(VALIDATION_WINDOWS) --style validation --split val --seed 2 --out $(@D) && touch $@

mn04.safetensors:
	$(error TEACHER is missing: an EfficientAT checkpoint, such as the one whose path `audiolog weights pull mn04` prints)

weights: $(BUILD)/everyday.safetensors ## train the default weights again: hours of CPU, a few GB of disk

$(BUILD)/pool/train/made: | $(CLIPS_TABLE)
	$(MIX) --windows $(POOL) --for-model mobilenet --teacher $(TEACHER) --teacher-map experiments/audioset_map.tsv --seed 1 --out $(@D) && touch $@

$(BUILD)/pool/val/made: | $(CLIPS_TABLE)
	$(MIX) --windows $(POOL_VALIDATION) --for-model mobilenet --style validation --split val --seed 2 --out $(@D) && touch $@

$(BUILD)/tuning/%/made: | $(CLIPS_TABLE)
	$(COMPOSE) $($*_CLIPS) --recordings $(TUNING_RECORDINGS) --split val --seed 8 --out $(@D) && touch $@

$(BUILD)/composed/%/made: | $(CLIPS_TABLE)
	$(COMPOSE) $($*_CLIPS) --recordings $(RECORDINGS) --split val --seed 7 --out $(@D) && touch $@

$(BUILD)/composed-train/%/made: | $(CLIPS_TABLE)
	$(COMPOSE) $($*_CLIPS) --recordings $(RECORDINGS) --split train --seed 7 --out $(@D) && touch $@

TUNING = $(foreach material,$(MATERIALS),$(BUILD)/tuning/$(material)/made)
COMPOSED = $(foreach set,composed composed-train,$(foreach material,$(MATERIALS),$(BUILD)/$(set)/$(material)/made))

$(BUILD)/everyday/model.safetensors: | $(BUILD)/pool/train/made $(BUILD)/pool/val/made
	mkdir -p $(@D)
	$(BIN)/audiolog train $(BUILD)/pool/train --validation $(BUILD)/pool/val --out $(@D) --recipe everyday --init $(TEACHER) \
	  --set epochs=$(POOL_EPOCHS) --set steps=$(STEPS) --set precision=$(PRECISION) $(if $(wildcard $(@D)/last.pt),--resume) >> $(@D)/log.jsonl

$(BUILD)/everyday.safetensors: $(BUILD)/everyday/model.safetensors | $(TUNING)
	$(BIN)/python experiments/tune_weights.py $< $@ $(dir $(TUNING)) $(TUNED_EVENTS)

EVALUATED ?= weights/everyday.safetensors
EVALUATE = $(BIN)/python experiments/evaluate_weights.py

weights-eval: $(COMPOSED) $(TUNING) ## the figures of the model card, and reliability.svg
	$(foreach material,$(MATERIALS),$(EVALUATE) $(EVALUATED) $(BUILD)/composed/$(material) $(if $(filter older,$(material)),$(CLIPS)) &&) true
	$(foreach material,$(MATERIALS),$(EVALUATE) $(EVALUATED) $(BUILD)/composed-train/$(material) &&) true
	$(foreach material,$(MATERIALS),$(EVALUATE) $(TEACHER) $(BUILD)/composed/$(material) experiments/audioset_map.tsv $(BUILD)/tuning/$(material) &&) true

OWN_WORK ?= $(BUILD)/own
OWN_RUNS = $(addprefix $(OWN_WORK)/,everyday.jsonl mn04.jsonl random.jsonl audioset.jsonl)
OWN_SOUNDS = $(if $(DATA),,$(error DATA is missing: a folder of clips))$(BIN)/python experiments/own_sounds.py $(DATA) $(OWN_WORK) $@

own-sounds: $(OWN_RUNS) ## how well a few clips teach a new sound: writes the tables of docs/own_sounds.md
	$(BIN)/python experiments/own_sounds_table.py docs/own_sounds.md $(OWN_RUNS)

$(OWN_WORK)/everyday.jsonl: weights/everyday.safetensors
	$(OWN_SOUNDS) $<

$(OWN_WORK)/random.jsonl: | weights/everyday.safetensors
	$(OWN_SOUNDS) $| --random --clips 10

$(OWN_WORK)/mn04.jsonl: $(TEACHER)
	$(OWN_SOUNDS) $< --clips 10

$(OWN_WORK)/audioset.jsonl: $(TEACHER)
	$(OWN_SOUNDS) $< --audioset
