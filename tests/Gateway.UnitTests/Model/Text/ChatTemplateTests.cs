using Gateway.Model.Text;
using Xunit;

namespace Gateway.UnitTests.Model.Text;

/// <summary>Python's and Jinja's semantics, each line checked against Jinja2's documented behaviour.</summary>
public sealed class ChatTemplateTests
{
    [Theory]
    [InlineData("{{ 7 // -2 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 7 / 2 }} {{ 1 ~ 'a' }}", "-4 2 1024 3.5 1a")]
    [InlineData("{{ 1.0 }} {{ 1e-05 }} {{ 1e16 }} {{ 0.1 + 0.2 }} {{ 123456789.5 }}", "1.0 1e-05 1e+16 0.30000000000000004 123456789.5")]
    [InlineData("{{ true }} {{ none }} {{ [1, 'a', none] }} {{ {'k': 1.5} }} {{ (1,) }}", "True None [1, 'a', None] {'k': 1.5} (1,)")]
    [InlineData("""{{ "it's" }} {{ ["it's", 'a\nb'] }}""", "it's [\"it's\", 'a\\nb']")]
    [InlineData("{{ 'abcdef'[1:4] }} {{ 'abc'[::-1] }} {{ 'abc'[-1] }} {{ [1,2,3][:-1] }}", "bcd cba c [1, 2]")]
    [InlineData("{{ 1 < 2 < 3 }} {{ 3 in [1, 3] }} {{ 'x' not in 'abc' }} {{ not 0 }}", "True True True True")]
    [InlineData("{{ missing }}|{{ missing is defined }}|{{ missing | default('d') }}", "|False|d")]
    [InlineData("{{ 'a' if false }}|{{ 'a' if true else 'b' }}", "|a")]
    [InlineData("{% for i in [1,2,3] if i != 2 %}{{ loop.index }}:{{ i }}{{ ',' if not loop.last }}{% else %}none{% endfor %}", "1:1,2:3")]
    [InlineData("{% for i in [] %}x{% else %}none{% endfor %}", "none")]
    [InlineData("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}", "1")]
    [InlineData("{% set ns = namespace(x=1) %}{% for i in [1,2] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "4")]
    [InlineData("{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}{{ v }}{% endfor %}", "b1a2")]
    [InlineData("{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "02")]
    [InlineData("{% macro m(a, b='x') %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(1, b=2) }}", "[1x][12]")]
    [InlineData("{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{% endcall %}", "<in>")]
    [InlineData("{% set t %}a{{ 1 }}{% endset %}{{ t | upper }}", "A1")]
    [InlineData("{% filter upper %}abc{% endfilter %}", "ABC")]
    [InlineData("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}", "3")]
    [InlineData("{% raw %}{{ x }}{% endraw %}{# gone #}!", "{{ x }}!")]
    [InlineData("{{ [3,1,2] | sort | join('-') }} {{ ['b','A'] | sort }} {{ [1,1,2] | unique | list }}", "1-2-3 ['A', 'b'] [1, 2]")]
    [InlineData("{{ [{'n':1},{'n':2}] | map(attribute='n') | sum }} {{ [{'a':1},{}] | selectattr('a', 'defined') | list | length }}", "3 1")]
    [InlineData("{{ {'b':1,'a':[true,none,1.0,'é\"<']} | tojson }}", "{\"b\": 1, \"a\": [true, null, 1.0, \"é\\\"<\"]}")]
    [InlineData("{{ {'a':[1]} | tojson(indent=2) }}", "{\n  \"a\": [\n    1\n  ]\n}")]
    [InlineData("{{ ' a b '.strip() }}|{{ 'a,b,c'.split(',')[-1] }}|{{ 'a b  c'.split() }}|{{ 'a-b-c'.split('-', 1) }}", "a b|c|['a', 'b', 'c']|['a', 'b-c']")]
    [InlineData("{{ ' a b c '.split(none, 1) }}{{ '  '.split() }}{{ 'x'.startswith(('y', 'x')) }}", "['a', 'b c '][]True")]
    [InlineData("{{ 'a\\nb' | indent(2) }} {{ 2.5 | round }} {{ '3' | int + 1 }} {{ -3 | abs }}", "a\n  b 2.0 4 3")]
    [InlineData("{{ 'hello wORLD' | title }} {{ 'hELLO' | capitalize }} {{ '{} {x}'.format(1, x=2) }}", "Hello World Hello 1 2")]
    [InlineData("{{ strftime_now('%d %b %Y %H:%M %A %-d') }}", "05 Jan 2025 09:07 Sunday 5")]
    [InlineData("{{ '\U0001F600a' | length }} {{ '\U0001F600a'[1] }}", "2 a")]
    [InlineData("{{ 'x' 'y' }}{{ 1 is number }}{{ 4 is divisibleby 2 }}{{ 'a' is not none }}", "xyTrueTrueTrue")]
    [InlineData("{{ [[1,2],[3]] | first }} {{ [1,2,3,4,5] | batch(2) | list }} {{ {'b':1,'a':2} | dictsort }}", "[1, 2] [[1, 2], [3, 4], [5]] [('a', 2), ('b', 1)]")]
    public void Renders_as_jinja(string source, string expected) =>
        Assert.Equal(expected, TextSamples.Render(source));

    [Theory]
    [InlineData("a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc")]
    [InlineData("a {%- if true -%} b {%- endif -%} c", "abc")]
    [InlineData("  {%+ if true %}x{% endif %}", "  x")]
    [InlineData("{% if true +%}\nx{% endif %}", "\nx")]
    [InlineData("  {# note #}\nx", "x")]
    [InlineData("x {{ 1 }}\ny", "x 1\ny")]
    [InlineData("x\r\ny\n\n", "x\ny\n")]
    [InlineData("a  {% set x = 1 %}\nb", "a  b")]
    public void Whitespace_is_controlled_as_in_chat_templates(string source, string expected) =>
        Assert.Equal(expected, TextSamples.Render(source));

    [Theory]
    [InlineData("a\n{% include 'x' %}", 2, "include")]
    [InlineData("a\n\n{{ x | urlencode }}", 3, "urlencode")]
    [InlineData("{{ x is escaped }}", 1, "escaped")]
    [InlineData("{% for x in y recursive %}{% endfor %}", 1, "recursive")]
    [InlineData("{% if x %}", 1, "endif")]
    [InlineData("{% endfor %}", 1, "endfor")]
    [InlineData("{{ 'a }}", 1, "string")]
    [InlineData("{{ a ! b }}", 1, "'!'")]
    public void What_is_not_supported_is_refused_with_name_and_line(string source, int line, string name)
    {
        var error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse(source));

        Assert.Equal((TemplateErrorKind.Syntax, line), (error.Kind, error.Line));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\n{{ missing.field }}", 2)]
    [InlineData("{{ 'a' + 1 }}", 1)]
    [InlineData("{{ [1].append(2) }}", 1)]
    [InlineData("{{ 9223372036854775807 + 1 }}", 1)]
    [InlineData("{{ 1 // 0 }}", 1)]
    [InlineData("{% set x.y = 1 %}", 1)]
    public void What_fails_while_rendering_names_its_line(string source, int line)
    {
        var error = Assert.Throws<TemplateException>(() => TextSamples.Render(source));

        Assert.Equal((TemplateErrorKind.Runtime, line), (error.Kind, error.Line));
    }

    [Fact]
    public void A_refusal_of_the_template_keeps_its_exact_message()
    {
        var error = Assert.Throws<TemplateException>(() => TextSamples.Render("\n{{ raise_exception('No system role!') }}"));

        Assert.Equal((TemplateErrorKind.Raised, "No system role!"), (error.Kind, error.Message));
    }

    [Theory]
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")]
    [InlineData("{{ 'x' * 99999999999 }}")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{{ range(999999999) }}")]
    [InlineData("{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(60) %}{% set ns.t = ns.t + ns.t %}{% endfor %}")]
    public void What_would_not_end_is_stopped(string source) =>
        Assert.Equal(TemplateErrorKind.Limit, Assert.Throws<TemplateException>(() => TextSamples.Render(source)).Kind);

    [Theory]
    [InlineData("(", 100_000)]
    [InlineData("(", 1_000)]
    [InlineData("1 + ", 100_000)]
    [InlineData("not ", 1_000)]
    [InlineData("- ", 1_000)]
    [InlineData("1 if 0 else ", 100_000)]
    public void Source_that_nests_too_deep_is_refused(string part, int times) =>
        Assert.Throws<TemplateException>(() => ChatTemplate.Parse("{{ " + string.Concat(Enumerable.Repeat(part, times)) + "1 }}"));

    [Theory]
    [InlineData("1 + ", "501")]
    [InlineData("0 or ", "1")]
    [InlineData("1 if 0 else ", "1")]
    public void A_long_chain_that_is_accepted_also_evaluates(string part, string expected) =>
        Assert.Equal(expected, TextSamples.Render("{{ " + string.Concat(Enumerable.Repeat(part, 500)) + "1 }}"));

    [Theory]
    [InlineData("<{{ x }}>", "<[ V ]>")]
    [InlineData("{{ '<' + x + '>' }}", "<[ V ]>")]
    [InlineData("<{{ x | trim }}>", "<[V]>")]
    [InlineData("{{ x.strip() ~ '!' }}", "[V]!")]
    [InlineData("{{ x[1:2] | lower }}", "[v]")]
    [InlineData("{{ ('a' + x) | replace('a', 'b') }}", "b[ V ]")]
    [InlineData("{{ [x | trim, 'c'] | join(',') }}", "[V],c")]
    [InlineData("{{ {'k': x} | tojson }}", "{\"k\": [\" V \"]}")]
    [InlineData("{{ d | tojson }}", "{[\"V\"]: 1}")]
    [InlineData("{% for k, v in d.items() %}{{ k }}{% endfor %}", "[V]")]
    [InlineData("{% macro m(t) %}<{{ t }}>{% endmacro %}{{ m(x) }}", "<[ V ]>")]
    [InlineData("{% set t %}a{{ x }}{% endset %}{{ t }}", "a[ V ]")]
    [InlineData("{{ '{}!'.format(x) }}", "[ V ]!")]
    [InlineData("{{ [x] }}", "[[' V ']]")]
    [InlineData("{% for c in x %}{{ c }}{% endfor %}", "[ V ]")]
    [InlineData("{{ dict(**d) }}", "{['V']: 1}")]
    [InlineData("{{ x.split('V') | join('-') }}", "[ ]-[ ]")]
    public void Caller_spans_survive_every_transformation(string source, string expected)
    {
        var rendered = TextSamples.RenderAll(source, """{"x": " V ", "d": {"V": 1}}""");

        var marked = rendered.Text;
        foreach (var span in rendered.CallerSpans.Reverse())
            marked = marked.Insert(span.End, "]").Insert(span.Start, "[");
        Assert.Equal(expected, marked);
    }

    [Fact]
    public void Generation_spans_cover_exactly_the_generation_blocks()
    {
        var rendered = TextSamples.RenderAll("a{% generation %}b{{ x }}c{% endgeneration %}d{% generation %}e{% endgeneration %}", """{"x":"X"}""");

        Assert.Equal("abXcde", rendered.Text);
        Assert.Equal([new TextSpan(1, 3), new TextSpan(5, 1)], rendered.GenerationSpans);
        Assert.Equal([new TextSpan(2, 1)], rendered.CallerSpans);
    }
}
