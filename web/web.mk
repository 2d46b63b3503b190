# The console's page: web/static as it is, and the libraries it uses, from npm, pinned by
# package-lock.json.
#   make page           what -web serves, in $(BUILD)/web
#   make check-page     types, unit tests, size of the first view
#
#   package-lock.json --npm ci--> $(BUILD)/npm/node_modules --copy--> $(BUILD)/web/lib
#   static/ -----------------------------------------------copy--> $(BUILD)/web

PAGE := $(patsubst web/static/%,$(BUILD)/web/%,$(shell find web/static -type f))
NPM_FROM := web/package.json web/package-lock.json web/.npmrc
NPM_CI = npm ci --prefer-offline --loglevel=error
need_npm = command -v npm >/dev/null || { echo "npm is missing; tools/install-deps.sh run" >&2; exit 1; }

# File in lib/, and the package's file it is. The server knows .js, not .mjs.
LIB_xterm.js := @xterm/xterm/lib/xterm.mjs
LIB_xterm.css := @xterm/xterm/css/xterm.css
LIB_xterm.LICENSE := @xterm/xterm/LICENSE
LIB_addon-fit.js := @xterm/addon-fit/lib/addon-fit.mjs
LIB_addon-fit.LICENSE := @xterm/addon-fit/LICENSE
LIB_uplot.js := uplot/dist/uPlot.esm.js
LIB_uplot.css := uplot/dist/uPlot.min.css
LIB_uplot.LICENSE := uplot/LICENSE
LIB_dagre.js := @dagrejs/dagre/dist/dagre.esm.js
LIB_dagre.LICENSE := @dagrejs/dagre/LICENSE
PAGE_LIB := $(patsubst LIB_%,$(BUILD)/web/lib/%,$(filter LIB_%,$(.VARIABLES)))
PAGE_GZ := $(addsuffix .gz,$(filter %.js %.css %.html %.json %.svg,$(PAGE) $(PAGE_LIB)))

.PHONY: page check-page
page: $(PAGE) $(PAGE_LIB) $(PAGE_GZ) ## build the console's page

$(BUILD)/web/%: web/static/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

# Their source maps are not served: the line that names one would only be an error in the browser.
$(BUILD)/web/lib/%: $(BUILD)/npm/.stamp
	@mkdir -p $(@D)
	$(Q)sed '/^\/\/# sourceMappingURL=/d' $(BUILD)/npm/node_modules/$(LIB_$*) > $@

# What the server sends to a browser that takes gzip.
$(PAGE_GZ): %.gz: %
	$(Q)gzip -9nc $< > $@

$(BUILD)/npm/.stamp: $(NPM_FROM)
	@mkdir -p $(@D)
	$(call say,NPM)
	@$(need_npm)
	$(Q)cp $(NPM_FROM) $(@D)/ && cd $(@D) && $(NPM_CI) --omit=dev && touch .stamp

# What the tests need besides.
$(BUILD)/npm-test/.stamp: $(NPM_FROM)
	@mkdir -p $(@D)
	$(call say,NPM)
	@$(need_npm)
	$(Q)cp $(NPM_FROM) $(@D)/ && cd $(@D) && $(NPM_CI) && touch .stamp

# A tsconfig of this build: the compiler finds the packages where npm put them.
$(BUILD)/npm-test/tsconfig.json: web/tsconfig.json web/web.mk $(BUILD)/npm-test/.stamp
	$(Q)echo '{"extends": "$(CURDIR)/web/tsconfig.json",' \
	    '"compilerOptions": {"paths": {"*": ["./node_modules/*"]}}}' > $@

check-page: page $(BUILD)/npm-test/tsconfig.json ## check the page: types, unit tests, size
	@fail=0; \
	$(BUILD)/npm-test/node_modules/.bin/tsc -p $(BUILD)/npm-test/tsconfig.json && \
	    echo "ok - web: the page's types hold" || { echo "not ok - web: the page's types hold"; fail=1; }; \
	VITRINE_PAGE=$(abspath $(BUILD))/web node --test --test-reporter=tap tests/web/unit/*.test.mjs || fail=1; exit $$fail

.PHONY: console-tour
console-tour: all $(BUILD)/npm-test/.stamp ## make pictures of every workspace, in BUILD/tour and book/pictures
	VITRINE=$(abspath $(BUILD))/vitrine-system-riscv64 node tests/web/e2e/tour.mjs
