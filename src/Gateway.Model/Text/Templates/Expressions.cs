namespace Gateway.Model.Text.Templates;

/// <summary>A part of a template that has a value.</summary>
internal abstract class Expression
{
    public abstract Value Evaluate(RenderState state);
}

internal sealed class Literal(Value value) : Expression
{
    public override Value Evaluate(RenderState state) => value;
}

internal sealed class VariableReference(string name) : Expression
{
    public string Name => name;

    public override Value Evaluate(RenderState state) => state.Scope.Find(name) ?? new UndefinedValue(name);
}

internal sealed class ListDisplay(IReadOnlyList<Expression> items, bool isTuple) : Expression
{
    public IReadOnlyList<Expression> Items => items;

    public bool IsTuple => isTuple;

    public override Value Evaluate(RenderState state) => new ListValue([.. items.Select(item => item.Evaluate(state))], isTuple);
}

internal sealed class DictionaryDisplay(IReadOnlyList<(Expression Key, Expression Value)> items) : Expression
{
    public override Value Evaluate(RenderState state)
    {
        var dictionary = new DictionaryValue();
        foreach (var (key, value) in items)
            dictionary.Set(key.Evaluate(state), value.Evaluate(state));
        return dictionary;
    }
}

internal sealed class BinaryOperation(string symbol, Expression left, Expression right) : Expression
{
    public override Value Evaluate(RenderState state) =>
        Operators.Apply(symbol, left.Evaluate(state), right.Evaluate(state), state);
}

/// <summary><c>and</c> and <c>or</c>, which return one of their operands.</summary>
internal sealed class LogicalOperation(bool isAnd, Expression left, Expression right) : Expression
{
    public override Value Evaluate(RenderState state)
    {
        var value = left.Evaluate(state);
        return value.IsTrue == isAnd ? right.Evaluate(state) : value;
    }
}

internal sealed class NotOperation(Expression operand) : Expression
{
    public override Value Evaluate(RenderState state) => Value.Of(!operand.Evaluate(state).IsTrue);
}

internal sealed class SignOperation(bool isMinus, Expression operand) : Expression
{
    public override Value Evaluate(RenderState state)
    {
        var value = operand.Evaluate(state);
        return isMinus ? Operators.Negate(value) : Operators.Negate(Operators.Negate(value));
    }
}

/// <summary>A chain of comparisons as in Python: a &lt; b &lt; c compares b once with each neighbour.</summary>
internal sealed class Comparison(Expression first, IReadOnlyList<(string Symbol, Expression Operand)> rest) : Expression
{
    public override Value Evaluate(RenderState state)
    {
        var left = first.Evaluate(state);
        foreach (var (symbol, operand) in rest)
        {
            var right = operand.Evaluate(state);
            if (!Holds(symbol, left, right))
                return Value.False;
            left = right;
        }

        return Value.True;
    }

    public static bool Holds(string symbol, Value left, Value right) => symbol switch
    {
        "==" => Operators.AreEqual(left, right),
        "!=" => !Operators.AreEqual(left, right),
        "in" => Operators.Contains(right, left),
        "not in" => !Operators.Contains(right, left),
        "<" => Operators.Compare(left, right) < 0,
        "<=" => Operators.Compare(left, right) <= 0,
        ">" => Operators.Compare(left, right) > 0,
        _ => Operators.Compare(left, right) >= 0,
    };
}

internal sealed class Conditional(Expression condition, Expression then, Expression? otherwise) : Expression
{
    public override Value Evaluate(RenderState state) =>
        condition.Evaluate(state).IsTrue
            ? then.Evaluate(state)
            : otherwise?.Evaluate(state) ?? new UndefinedValue("the inline if without else");
}

internal sealed class AttributeAccess(Expression owner, string name) : Expression
{
    public Expression Owner => owner;

    public string Name => name;

    public override Value Evaluate(RenderState state) => Members.Attribute(owner.Evaluate(state), name);
}

internal sealed class ItemAccess(Expression owner, Expression key) : Expression
{
    public override Value Evaluate(RenderState state) => Members.Item(owner.Evaluate(state), key.Evaluate(state));
}

internal sealed class SliceAccess(Expression owner, Expression? start, Expression? stop, Expression? step) : Expression
{
    public override Value Evaluate(RenderState state) =>
        Members.Slice(owner.Evaluate(state), Bound(start, state), Bound(stop, state), Bound(step, state));

    private static long? Bound(Expression? bound, RenderState state) => bound?.Evaluate(state) switch
    {
        null or NoneValue => null,
        var value => Operators.AsInteger(value)
            ?? throw TemplateException.Runtime($"a slice needs integers, not {value.TypeName}."),
    };
}

/// <summary>The arguments as written, with * and ** for lists and dictionaries.</summary>
internal sealed class ArgumentList(
    IReadOnlyList<(Expression Value, bool IsSpread)> positional, IReadOnlyList<(string? Name, Expression Value)> named)
{
    public static readonly ArgumentList None = new([], []);

    public Arguments Evaluate(RenderState state)
    {
        if (positional.Count == 0 && named.Count == 0)
            return Arguments.None;
        var values = new List<Value>();
        foreach (var (expression, isSpread) in positional)
        {
            if (isSpread)
                values.AddRange(Sequences.Items(expression.Evaluate(state)));
            else
                values.Add(expression.Evaluate(state));
        }

        var byName = new Dictionary<string, Value>(StringComparer.Ordinal);
        foreach (var (name, expression) in named)
        {
            if (name is not null)
                byName[name] = expression.Evaluate(state);
            else if (expression.Evaluate(state) is DictionaryValue spread)
                spread.Items.ToList().ForEach(item => byName[PythonText.Str(item.Key).Text] = item.Value);
            else
                throw TemplateException.Runtime("'**' needs a dictionary.");
        }

        return new Arguments(values, byName);
    }
}

internal sealed class Call(Expression callee, ArgumentList arguments) : Expression
{
    public override Value Evaluate(RenderState state)
    {
        state.CountStep();
        return callee.Evaluate(state) switch
        {
            FunctionValue function => function.Call(state, arguments.Evaluate(state)),
            UndefinedValue undefined => throw undefined.Error(),
            LoopValue => throw TemplateException.Runtime("recursive loops are not supported; write a macro."),
            var other => throw TemplateException.Runtime($"a value of type {other.TypeName} cannot be called."),
        };
    }
}

internal sealed class FilterApplication(Filter filter, Expression operand, ArgumentList arguments) : Expression
{
    public override Value Evaluate(RenderState state)
    {
        state.CountStep();
        return filter(state, operand.Evaluate(state), arguments.Evaluate(state));
    }
}

internal sealed class TestApplication(Test test, Expression operand, ArgumentList arguments) : Expression
{
    public override Value Evaluate(RenderState state) =>
        Value.Of(test(operand.Evaluate(state), arguments.Evaluate(state)));
}
