namespace Gateway.Model.Text.Templates;

/// <summary>A part of a template that writes output or changes variables.</summary>
internal abstract class Statement(int line)
{
    public int Line => line;

    /// <summary>Runs the statement; an error without a line gets this one.</summary>
    public Flow Run(RenderState state)
    {
        try
        {
            return Execute(state);
        }
        catch (TemplateException error) when (error.Line == 0)
        {
            throw new TemplateException(error.Kind, error.Reason, line);
        }
    }

    protected abstract Flow Execute(RenderState state);
}

/// <summary>Statements in order.</summary>
internal sealed class Body(IReadOnlyList<Statement> statements)
{
    public Flow Run(RenderState state)
    {
        foreach (var statement in statements)
        {
            var flow = statement.Run(state);
            if (flow != Flow.Next)
                return flow;
        }

        return Flow.Next;
    }
}

internal sealed class TextStatement(string text, int line) : Statement(line)
{
    private readonly MarkedText _text = MarkedText.Of(text);

    protected override Flow Execute(RenderState state)
    {
        state.Write(_text);
        return Flow.Next;
    }
}

internal sealed class OutputStatement(Expression expression, int line) : Statement(line)
{
    protected override Flow Execute(RenderState state)
    {
        state.Write(PythonText.Str(expression.Evaluate(state)));
        return Flow.Next;
    }
}

internal sealed class IfStatement(IReadOnlyList<(Expression Condition, Body Body)> branches, Body? otherwise, int line) : Statement(line)
{
    protected override Flow Execute(RenderState state)
    {
        foreach (var (condition, body) in branches)
        {
            if (condition.Evaluate(state).IsTrue)
                return body.Run(state);
        }

        return otherwise?.Run(state) ?? Flow.Next;
    }
}

internal sealed class ForStatement(
    Expression target, Expression items, Expression? filter, Body body, Body? otherwise, int line) : Statement(line)
{
    protected override Flow Execute(RenderState state)
    {
        var all = Sequences.Items(items.Evaluate(state));
        var outer = state.Scope;
        var kept = filter is null ? all : [.. all.Where(item => Passes(item, outer, state))];
        if (kept.Count == 0)
            return otherwise?.Run(state) ?? Flow.Next;

        var loop = new LoopValue(kept, ++state.LoopDepth);
        try
        {
            for (; loop.Index < kept.Count; loop.Index++)
            {
                state.CountStep();
                var flow = state.InScope(outer, scope =>
                {
                    scope.Set("loop", loop);
                    Assignment.Assign(target, kept[loop.Index], state);
                    return body.Run(state);
                });
                if (flow == Flow.Break)
                    break;
            }
        }
        finally
        {
            state.LoopDepth--;
        }

        return Flow.Next;
    }

    private bool Passes(Value item, Scope outer, RenderState state) => state.InScope(outer, _ =>
    {
        state.CountStep();
        Assignment.Assign(target, item, state);
        return filter!.Evaluate(state).IsTrue;
    });
}

internal sealed class LoopControlStatement(Flow flow, int line) : Statement(line)
{
    protected override Flow Execute(RenderState state) => flow;
}

internal sealed class SetStatement(Expression target, Expression value, int line) : Statement(line)
{
    protected override Flow Execute(RenderState state)
    {
        Assignment.Assign(target, value.Evaluate(state), state);
        return Flow.Next;
    }
}

/// <summary>{% set x %}…{% endset %} and {% filter f %}…{% endfilter %}: the body's text, filtered.</summary>
internal sealed class CaptureStatement(Expression? target, Expression value, Body body, int line) : Statement(line)
{
    /// <summary>The body's text inside <c>value</c>; no template can spell this name.</summary>
    public const string Captured = "{captured}";

    protected override Flow Execute(RenderState state)
    {
        var text = state.Capture(() => state.InScope(state.Scope, _ => body.Run(state)));
        var result = state.InScope(state.Scope, scope =>
        {
            scope.Set(Captured, new StringValue(text));
            return value.Evaluate(state);
        });
        if (target is null)
            state.Write(PythonText.Str(result));
        else
            Assignment.Assign(target, result, state);
        return Flow.Next;
    }
}

internal sealed class WithStatement(IReadOnlyList<(Expression Target, Expression Value)> assignments, Body body, int line) : Statement(line)
{
    protected override Flow Execute(RenderState state)
    {
        var values = assignments.Select(a => a.Value.Evaluate(state)).ToArray();
        return state.InScope(state.Scope, _ =>
        {
            for (var i = 0; i < values.Length; i++)
                Assignment.Assign(assignments[i].Target, values[i], state);
            return body.Run(state);
        });
    }
}

/// <summary>{% generation %}…{% endgeneration %}: marks what the model is trained to write.</summary>
internal sealed class GenerationStatement(Body body, int line) : Statement(line)
{
    protected override Flow Execute(RenderState state)
    {
        var extra = state.Extra;
        state.Extra |= Origin.Generation;
        try
        {
            return body.Run(state);
        }
        finally
        {
            state.Extra = extra;
        }
    }
}

internal sealed class MacroStatement(string name, MacroDefinition definition, int line) : Statement(line)
{
    protected override Flow Execute(RenderState state)
    {
        state.Scope.Set(name, definition.Bind(name, state.Scope));
        return Flow.Next;
    }
}

/// <summary>{% call(…) macro(…) %}…{% endcall %}: calls a macro that can call the body as <c>caller</c>.</summary>
internal sealed class CallStatement(
    Expression callee, ArgumentList arguments, MacroDefinition body, int line) : Statement(line)
{
    protected override Flow Execute(RenderState state)
    {
        if (callee.Evaluate(state) is not FunctionValue function)
            throw TemplateException.Runtime("a call block needs a macro.");
        var given = arguments.Evaluate(state);
        var named = new Dictionary<string, Value>(given.Named, StringComparer.Ordinal)
        {
            ["caller"] = body.Bind("caller", state.Scope),
        };
        state.Write(PythonText.Str(function.Call(state, given with { Named = named })));
        return Flow.Next;
    }
}

/// <summary>The parameters and body of a macro.</summary>
internal sealed class MacroDefinition(
    IReadOnlyList<(string Name, Expression? Default)> parameters, Body body, IReadOnlySet<string> names)
{
    public FunctionValue Bind(string name, Scope defined) => new(name, (state, arguments) =>
    {
        state.CountStep();
        var text = state.Capture(() => state.InScope(defined, scope =>
        {
            BindArguments(name, arguments, scope, state);
            return body.Run(state);
        }));
        return new StringValue(text);
    });

    /// <summary>Surplus arguments are only accepted by a body that reads varargs, kwargs or caller.</summary>
    private void BindArguments(string name, Arguments arguments, Scope scope, RenderState state)
    {
        if (arguments.Positional.Count > parameters.Count && !names.Contains("varargs"))
            throw TemplateException.Runtime($"macro '{name}' takes not more than {parameters.Count} argument(s).");
        scope.Set("varargs", new ListValue([.. arguments.Positional.Skip(parameters.Count)], IsTuple: true));

        var rest = new DictionaryValue();
        foreach (var (key, value) in arguments.Named)
        {
            if (parameters.Any(p => string.Equals(p.Name, key, StringComparison.Ordinal)))
                continue;
            if (key == "caller" && names.Contains("caller"))
                scope.Set("caller", value);
            else if (names.Contains("kwargs"))
                rest.Set(Value.Of(key, Origin.Caller), value);
            else
                throw TemplateException.Runtime($"macro '{name}' takes no keyword argument '{key}'.");
        }

        scope.Set("kwargs", rest);
        for (var i = 0; i < parameters.Count; i++)
        {
            var (parameter, otherwise) = parameters[i];
            var value = arguments.Find(i, parameter) ?? otherwise?.Evaluate(state);
            scope.Set(parameter, value ?? new UndefinedValue(parameter));
        }
    }
}

/// <summary>Assigns to a name, to several names or to a field of a namespace.</summary>
internal static class Assignment
{
    public static void Assign(Expression target, Value value, RenderState state)
    {
        switch (target)
        {
            case VariableReference variable:
                state.Scope.Set(variable.Name, value);
                break;
            case AttributeAccess field:
                if (field.Owner.Evaluate(state) is not NamespaceValue owner)
                    throw TemplateException.Runtime("cannot assign attribute on non-namespace object.");
                owner.Fields[field.Name] = value;
                break;
            case ListDisplay names:
                var parts = Sequences.Items(value);
                if (parts.Count != names.Items.Count)
                    throw TemplateException.Runtime($"cannot unpack {parts.Count} values into {names.Items.Count} names.");
                for (var i = 0; i < parts.Count; i++)
                    Assign(names.Items[i], parts[i], state);
                break;
        }
    }
}
