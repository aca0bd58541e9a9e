# Experiments: make weights-eval, make weights, make compare. DATA is a folder of folders with clips.tsv and audio, or of public data sets as
# unpacked (experiments/public_clips.py lists which). TEACHER is an AudioSet tagger's checkpoint. Everything is kept below $(BUILD); what is
# there is not made again, and an interrupted run goes on where it was.

BUILD ?= build
TEACHER ?= mn04.safetensors
CLIPS = $(or $(patsubst %/clips.tsv,%,$(wildcard $(DATA)/*/clips.tsv)),$(BUILD)/public)
CLIPS_TABLE = $(if $(wildcard $(DATA)/*/clips.tsv),,$(BUILD)/public/clips.tsv)
MIX = $(BIN)/audiolog mix $(CLIPS) --cache $(BUILD)/cache
POOL ?= 48000
POOL_VALIDATION ?= 2000
POOL_EPOCHS ?= 120
TUNING_RECORDINGS ?= 108
RECORDINGS ?= 12
RECORDING_SECONDS ?= 300
EPOCHS ?= 10
STEPS ?= 200
WINDOWS ?= 8000
VALIDATION_WINDOWS ?= 600
SEEDS ?= 1 2 3
SYSTEMS = htsat htsat-alone crnn joint cnn-bigru cnn task4b

htsat_OPTIONS = --model htsat --preset tiny --learning-rate 1e-3
htsat-alone_OPTIONS = --model htsat --preset tiny --learning-rate 1e-3 --contrastive-weight 0
crnn_OPTIONS = --model crnn --preset small --learning-rate 1e-3
joint_OPTIONS = --model joint --learning-rate 2e-4 --scene-weight 1 --event-weight 1 --contrastive-weight 0
cnn-bigru_OPTIONS = --model cnn-bigru --learning-rate 2e-4 --event-weight 1
cnn_OPTIONS = --model cnn --learning-rate 2e-4 --scene-weight 1
task4b_OPTIONS = --model task4b --learning-rate 1e-3 --event-weight 1 --squared

.PHONY: compare weights weights-eval

compare: $(foreach system,$(SYSTEMS),$(foreach seed,$(SEEDS),$(BUILD)/runs/$(system).$(seed)/model.safetensors)) ## the systems of Table 2 side by side on mixed windows (not the paper's data)
	$(BIN)/python experiments/compare.py $(BUILD)/runs $(SYSTEMS)

$(BUILD)/runs/%/model.safetensors: | $(BUILD)/plain/train/made $(BUILD)/plain/val/made
	mkdir -p $(@D)
	$(BIN)/audiolog train $(BUILD)/plain/train --validation $(BUILD)/plain/val --out $(@D) $($(basename $*)_OPTIONS) \
	  --seed $(patsubst .%,%,$(suffix $*)) --epochs $(EPOCHS) --steps $(STEPS) --batch-size 16 --warmup 100 --gain 6 --roll \
	  $(if $(wildcard $(@D)/last.pt),--resume) >> $(@D)/log.jsonl

$(BUILD)/public/clips.tsv:
	$(if $(DATA),,$(error DATA is missing: a folder of clips, or of public data sets))
	$(BIN)/python experiments/public_clips.py $(DATA) $(@D)

$(BUILD)/plain/train/made: | $(CLIPS_TABLE)
	$(MIX) --windows $(WINDOWS) --recipe plain --seed 1 --out $(@D) && touch $@

$(BUILD)/plain/val/made: | $(CLIPS_TABLE)
	$(MIX) --windows $(VALIDATION_WINDOWS) --recipe validation --split val --seed 2 --out $(@D) && touch $@

weights: $(BUILD)/everyday.safetensors ## train the default weights again: hours of CPU, a few GB of disk

$(BUILD)/pool/train/made: | $(CLIPS_TABLE)
	$(MIX) --windows $(POOL) --teacher $(TEACHER) --teacher-map experiments/audioset_map.tsv --seed 1 --out $(@D) && touch $@

$(BUILD)/pool/val/made: | $(CLIPS_TABLE)
	$(MIX) --windows $(POOL_VALIDATION) --recipe validation --split val --seed 2 --out $(@D) && touch $@

$(BUILD)/tuning/made: | $(CLIPS_TABLE)
	$(MIX) --recordings $(TUNING_RECORDINGS) --seconds $(RECORDING_SECONDS) --split val --seed 8 --out $(@D) && touch $@

$(BUILD)/composed/made: | $(CLIPS_TABLE)
	$(MIX) --recordings $(RECORDINGS) --seconds $(RECORDING_SECONDS) --split val --seed 7 --out $(@D) && touch $@

$(BUILD)/composed-train/made: | $(CLIPS_TABLE)
	$(MIX) --recordings $(RECORDINGS) --seconds $(RECORDING_SECONDS) --split train --seed 7 --out $(@D) && touch $@

$(BUILD)/everyday/model.safetensors: | $(BUILD)/pool/train/made $(BUILD)/pool/val/made
	mkdir -p $(@D)
	$(BIN)/audiolog train $(BUILD)/pool/train --validation $(BUILD)/pool/val --out $(@D) --model crnn --epochs $(POOL_EPOCHS) \
	  --steps $(STEPS) --batch-size 16 --learning-rate 1e-3 --weight-decay 0.02 --warmup 200 --ema 0.998 --mixup 0.2 --gain 6 --roll --colour 8 \
	  --scene-weight 0.03 --event-weight 2 --contrastive-weight 0.01 --tag-weight 40 --smoothing 0.1 --seed 1 \
	  $(if $(wildcard $(@D)/last.pt),--resume) >> $(@D)/log.jsonl

$(BUILD)/everyday.safetensors: $(BUILD)/everyday/model.safetensors | $(BUILD)/tuning/made
	$(BIN)/python experiments/tune_weights.py $< $(BUILD)/tuning $@

EVALUATED ?= weights/everyday.safetensors
EVALUATE = $(BIN)/python experiments/evaluate_weights.py

weights-eval: $(BUILD)/composed/made $(BUILD)/composed-train/made $(BUILD)/tuning/made ## the figures of the model card
	$(EVALUATE) $(EVALUATED) $(BUILD)/composed $(CLIPS)
	$(EVALUATE) $(EVALUATED) $(BUILD)/composed-train
	$(EVALUATE) $(TEACHER) $(BUILD)/composed experiments/audioset_map.tsv $(BUILD)/tuning
