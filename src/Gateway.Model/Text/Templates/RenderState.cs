namespace Gateway.Model.Text.Templates;

/// <summary>The variables of one block; assignments stay in it, look-ups go outwards.</summary>
internal sealed class Scope(Scope? parent)
{
    private readonly Dictionary<string, Value> _variables = new(StringComparer.Ordinal);

    public void Set(string name, Value value) => _variables[name] = value;

    public Value? Find(string name)
    {
        for (var scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope._variables.TryGetValue(name, out var value))
                return value;
        }

        return null;
    }

    private Scope? Parent { get; } = parent;
}

/// <summary>Ends a loop's body early.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>One rendering in progress: variables, output and what is left of the limits.</summary>
internal sealed class RenderState(TemplateLimits limits, DateTimeOffset now)
{
    private long _steps;
    private long _written;
    private int _depth;

    public DateTimeOffset Now { get; } = now;

    public Scope Scope { get; set; } = new(null);

    public MarkedTextBuilder Output { get; private set; } = new();

    public Origin Extra { get; set; }

    public int LoopDepth { get; set; }

    public void Write(MarkedText text)
    {
        CountText(text.Text.Length);
        Output.Append(text, Extra);
    }

    /// <summary>Counts text that is made, whether or not it reaches the output.</summary>
    public void CountText(long length)
    {
        _written += length;
        if (_written > limits.OutputLength)
            throw Over($"more than {limits.OutputLength} characters of text");
    }

    public void CountStep()
    {
        if (++_steps > limits.Steps)
            throw Over($"more than {limits.Steps} loop steps and calls");
    }

    /// <summary>Runs an action whose output becomes a value instead.</summary>
    public MarkedText Capture(Action action)
    {
        var (output, extra) = (Output, Extra);
        (Output, Extra) = (new MarkedTextBuilder(), Origin.Template);
        try
        {
            action();
            return Output.ToText();
        }
        finally
        {
            (Output, Extra) = (output, extra);
        }
    }

    /// <summary>Runs an action in a scope of its own.</summary>
    public T InScope<T>(Scope parent, Func<Scope, T> action)
    {
        var outer = Scope;
        if (++_depth > limits.Depth)
            throw Over($"more than {limits.Depth} nested blocks and calls");
        Scope = new Scope(parent);
        try
        {
            return action(Scope);
        }
        finally
        {
            Scope = outer;
            _depth--;
        }
    }

    private static TemplateException Over(string what) =>
        new(TemplateErrorKind.Limit, $"the template makes {what}; shorten the conversation or the template.");
}
